import type { Socket as TcpSocket } from 'node:net'
import type { Server } from 'socket.io'
import { onFlush } from './flushes.ts'

const batching = new WeakSet<Server>()

/**
 * Writes all frames that engine.io flushes together with one system call per connection instead of one per frame.
 * Idempotent.
 *
 * Source: `writable.cork()`, uncorked in `process.nextTick` as the Node.js documentation recommends.
 */
export function batchWrites(io: Server): void {
  if (batching.has(io)) return
  batching.add(io)
  onFlush(io, ({ transport }) => {
    const tcp = tcpSocketOf(transport)
    if (!tcp) return
    tcp.cork()
    process.nextTick(() => tcp.uncork())
  })
}

/** The TCP socket of a `ws` WebSocket. Undefined for polling, which writes each response at once. */
const tcpSocketOf = (transport: unknown) =>
  (transport as { readonly socket?: { readonly _socket?: TcpSocket } }).socket?._socket
