import type { Socket as TcpSocket } from 'node:net'
import type { Socket } from 'socket.io'

/** An engine.io socket. The parts used here are the same in all versions that socket.io 4 depends on. */
export type Connection = Socket['conn']

/** An engine.io transport: WebSocket has `socket`, polling has `req`. */
interface Transport {
  /** The socket of `ws`. */
  readonly socket?: { readonly bufferedAmount?: number; terminate?(): void }
  /** The pending poll. */
  readonly req?: { readonly socket: TcpSocket } | null
}

interface Packet {
  readonly data?: string | { readonly byteLength: number }
}

/** Estimated overhead of a queued packet. */
const PACKET_BYTES = 128

/** The TCP connection of a client's last poll, which may still buffer the response. */
const polled = new WeakMap<Connection, TcpSocket>()

/** Bytes sent to a client that have not left this process. */
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

/** Terminates a connection immediately. A graceful close would wait for the client to read its buffer. */
export function cutConnection(connection: Connection): void {
  const { socket } = connection.transport as Transport
  connection.close(true)
  socket?.terminate?.()
  const poll = polled.get(connection)
  if (poll && poll.writableLength > 0) poll.destroy()
}
