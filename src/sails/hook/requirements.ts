import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { SailsApp } from './sails-app.ts'

/**
 * What this app would need for the change feed to work in it, as a sentence; undefined where it has all of it. With
 * packages that are too old everything would look healthy, and requests would hang or nothing would be published.
 */
export function unmetRequirement(sails: SailsApp): string | undefined {
  if (typeof sails.registerActionMiddleware !== 'function') {
    return `It needs Sails 1.5 or newer, and this app runs ${sails.version ?? 'an older one'}: npm install sails@1`
  }
  if (sails.io && !isSocketIo4(sails.io)) {
    const version = installedVersion(sails, 'sails-hook-sockets')
    return `It needs socket.io 4, which comes with sails-hook-sockets 3, and this app has sails-hook-sockets ${version ?? '2 or older'}: npm install sails-hook-sockets@3`
  }
  return undefined
}

/** A server does not say its version. This function came with socket.io 4, and the feed moves sockets with it. */
const isSocketIo4 = (io: object) => typeof (io as { socketsJoin?: unknown }).socketsJoin === 'function'

function installedVersion({ config }: SailsApp, name: string): string | undefined {
  try {
    const manifest = createRequire(join(config.appPath, 'package.json'))(`${name}/package.json`)
    return (manifest as { version: string }).version
  } catch {
    return undefined // the app got its hook in another way
  }
}
