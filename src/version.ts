import { createRequire } from 'node:module'

const manifest: { version: string } = createRequire(import.meta.url)('waterline-changefeed/package.json')

/** Version of this package. */
export const VERSION = manifest.version
