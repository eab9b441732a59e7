import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { SailsApp } from './sails-app.ts'

/**
 * The unmet requirement of the change feed in this app, as a sentence; undefined if all are met. Without this check,
 * outdated packages would cause hanging requests or missing messages without any error.
 */
export function unmetRequirement(sails: SailsApp): string | undefined {
  if (typeof sails.registerActionMiddleware !== 'function') {
    return `It requires Sails 1.5 or newer, and this app runs ${sails.version ?? 'an older version'}: npm install sails@1`
  }
  if (sails.io && !isSocketIo4(sails.io)) {
    const version = installedVersion(sails, 'sails-hook-sockets')
    return `It requires socket.io 4, which is part of sails-hook-sockets 3, and this app has sails-hook-sockets ${version ?? '2 or older'}: npm install sails-hook-sockets@3`
  }
  return undefined
}

/** A socket.io server does not expose its version. `socketsJoin`, which the feed uses, was added in version 4. */
const isSocketIo4 = (io: object) => typeof (io as { socketsJoin?: unknown }).socketsJoin === 'function'

function installedVersion({ config }: SailsApp, name: string): string | undefined {
  try {
    const manifest = createRequire(join(config.appPath, 'package.json'))(`${name}/package.json`)
    return (manifest as { version: string }).version
  } catch {
    return undefined // the hook was not installed as a package of the app
  }
}
