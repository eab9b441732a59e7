import type { Message } from './message.ts'

/** A socket of socket.io-client 2 to 4, or that inside a socket of sails.io.js, as far as it is used here. */
export interface RawSocket {
  readonly connected: boolean
  readonly io: { reconnection(isOn: boolean): unknown }
  onevent(packet: Packet): void
  on(event: string, listener: () => void): unknown
  emit(...args: [event: string, ...unknown[]]): unknown
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
export const eachRawSocket = (socket: SailsSocket & RawSocket, use: (raw: RawSocket) => void): void => {
  const { replay, _raw } = socket
  if (_raw) use(_raw)
  if (replay)
    socket.replay = () => {
      use(socket._raw as RawSocket) // before the app's requests run
      return replay.call(socket)
    }
  else use(socket)
}

/** Calls `act` after each answer to a request that may have written. */
export const onOwnWrites = (raw: RawSocket, act: () => void): void => {
  const { emit } = raw
  const informing = (each: unknown) =>
    Object.assign((...answer: unknown[]) => {
      ;(each as (...answer: unknown[]) => void)(...answer)
      act()
    }, each) // socket.io-client 4 marks functions
  raw.emit = (...args) =>
    emit.apply(
      raw,
      args[0] === 'get'
        ? args
        : (args.map(each => (typeof each === 'function' ? informing(each) : each)) as typeof args),
    )
}
