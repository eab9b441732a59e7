import type { Socket as TcpSocket } from 'node:net'
import type { Server } from 'socket.io'
import type { Connection } from './connection.ts'

const batching = new WeakSet<object>()

/**
 * Gives each connection one system call for all frames that engine.io hands over together, in place of one for each frame.
 * Idempotent. A server that is not attached yet is batched from its first connection on.
 *
 * Source: `writable.cork()` as the Node.js documentation recommends it, undone in `process.nextTick`.
 */
export function batchWrites(io: Server): void {
  if (!io.engine) {
    io.once('connection', () => batchWrites(io))
    return
  }
  if (batching.has(io.engine)) return
  batching.add(io.engine)
  io.engine.on('flush', ({ transport }: Connection) => {
    const tcp = tcpSocketOf(transport)
    if (!tcp) return
    tcp.cork()
    process.nextTick(() => tcp.uncork())
  })
}

/** That of a WebSocket by `ws`; none for polling, whose answers are written at once. */
const tcpSocketOf = (transport: unknown) =>
  (transport as { readonly socket?: { readonly _socket?: TcpSocket } }).socket?._socket
