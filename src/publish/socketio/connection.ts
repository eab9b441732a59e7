import type { Socket as TcpSocket } from 'node:net'
import type { Socket } from 'socket.io'

/** An engine.io socket. What is used of it is the same in every version that socket.io 4 comes with. */
export type Connection = Socket['conn']

/** What an engine.io transport holds of a connection; which of it, its kind decides. */
interface Transport {
  /** That of `ws`. */
  readonly socket?: { readonly bufferedAmount?: number; terminate?(): void }
  /** The poll that waits for an answer. */
  readonly req?: { readonly socket: TcpSocket } | null
}

interface Packet {
  readonly data?: string | { readonly byteLength: number }
}

/** What a queued packet costs besides its data. */
const PACKET_BYTES = 128

/** The TCP connection of a client's last poll: what it was answered may still wait in it. */
const polled = new WeakMap<Connection, TcpSocket>()

/** What was sent to a client and has not left this process. */
export function bufferedBytes(connection: Connection): number {
  const { socket } = connection.transport as Transport
  return queuedBytes(connection) + (socket?.bufferedAmount ?? pollBytes(connection))
}

function queuedBytes(connection: Connection): number {
  const { writeBuffer } = connection as unknown as { readonly writeBuffer: readonly Packet[] }
  let bytes = 0
  for (const { data } of writeBuffer) {
    bytes += PACKET_BYTES + (typeof data === 'string' ? data.length : (data?.byteLength ?? 0))
  }
  return bytes
}

function pollBytes(connection: Connection): number {
  const { req } = connection.transport as Transport
  if (req) polled.set(connection, req.socket)
  return polled.get(connection)?.writableLength ?? 0
}

/** Ends a connection at once: an orderly end would wait behind everything that the client does not read. */
export function cutConnection(connection: Connection): void {
  const { socket } = connection.transport as Transport
  connection.close(true)
  socket?.terminate?.()
  const poll = polled.get(connection)
  if (poll && poll.writableLength > 0) poll.destroy()
}
