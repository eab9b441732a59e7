import { createRequire } from 'node:module'

/**
 * The socket.io client that sails.io.js needs. It prefers a global WebSocket, which Node has from version 22 on and which
 * cannot send headers such as cookies. The global is hidden while the client loads, so that it uses the package `ws`.
 */
// biome-ignore lint/suspicious/noExplicitAny: it has no types
function load(): any {
  const webSocket = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket')
  Reflect.deleteProperty(globalThis, 'WebSocket')
  try {
    return createRequire(import.meta.url)('socket.io-client')
  } finally {
    if (webSocket) Object.defineProperty(globalThis, 'WebSocket', webSocket)
  }
}

export const socketIoClient2 = load()
