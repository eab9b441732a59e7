import type { Socket as TcpSocket } from 'node:net'
import type { Server } from 'socket.io'
import type { Connection } from './connection.ts'

const batching = new WeakSet<object>()

/**
 * Writes all frames that engine.io flushes together with one system call per connection instead of one per frame.
 * Idempotent. A server that is not attached yet is batched from its first connection on.
 *
 * Source: `writable.cork()`, uncorked in `process.nextTick` as the Node.js documentation recommends.
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

/** The TCP socket of a `ws` WebSocket. Undefined for polling, which writes each response at once. */
const tcpSocketOf = (transport: unknown) =>
  (transport as { readonly socket?: { readonly _socket?: TcpSocket } }).socket?._socket
