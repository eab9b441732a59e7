import type { Message } from './message.ts'

/** A socket of socket.io-client 2 to 4, or that inside a socket of sails.io.js, as far as it is used here. */
export interface RawSocket {
  readonly connected: boolean
  readonly io: { reconnection(isOn: boolean): unknown }
  onevent(packet: Packet): void
  on(event: string, listener: () => void): unknown
  emit(event: string, ...args: unknown[]): unknown
}

export interface Packet {
  readonly data: Message
}

/** A socket of sails.io.js has a raw socket for each of its connections, from the moment at which it connects. */
export interface SailsSocket {
  readonly headers?: object
  readonly _raw?: RawSocket
  replay?(): unknown
}

/** The answer to a virtual request. */
export interface Answer {
  readonly statusCode: number
  readonly body?: unknown
}

/** Calls `use` with the raw socket, and with each that takes its place. */
export function eachRawSocket(socket: SailsSocket & RawSocket, use: (raw: RawSocket) => void): void {
  const { replay, _raw } = socket
  if (!replay || _raw) use(_raw ?? socket)
  if (!replay) return
  socket.replay = () => {
    if (socket._raw) use(socket._raw) // before the app's requests run
    return replay.call(socket)
  }
}
