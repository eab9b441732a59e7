import SailsIOClient from 'sails.io.js'
import { eventOf } from './eventually.ts'
import { Inbox } from './inbox.ts'
import { afterScope } from './scope.ts'
import { socketIoClient2 } from './socket-io-client-2.ts'

export interface SailsClientOptions {
  /** Of a server on 127.0.0.1. */
  readonly port: number
  readonly initialConnectionHeaders?: Readonly<Record<string, string>>
  /** As `a=1&b=2`. */
  readonly query?: string
  readonly path?: string
  readonly transports?: readonly ('websocket' | 'polling')[]
  readonly reconnection?: boolean
}

/** The answer to a virtual request, as sails.io.js calls it. */
export interface Jwr {
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  readonly body: any
  readonly headers: Record<string, string>
  readonly statusCode: number
}

type Respond = (body: unknown, jwr: Jwr) => void

/** sails.io.js' socket, as far as the tests use it. */
export interface SailsSocket {
  get(url: string, data?: object, respond?: Respond): void
  post(url: string, data?: object, respond?: Respond): void
  request(options: object, respond?: Respond): void
  on(event: string, listener: (...args: unknown[]) => void): void
  off(event: string, listener: (...args: unknown[]) => void): void
  disconnect(): void
  reconnect(): void
  isConnected(): boolean
  readonly _raw?: RawSocket
}

interface RawSocket {
  readonly id: string
  onevent(packet: { data?: unknown[] }): void
}

interface SailsIo {
  readonly sails: {
    autoConnect: boolean
    useCORSRouteToGetCookie: boolean
    environment: string
    connect(url: string, options: object): SailsSocket
  }
}

/** One browser's worth of the unchanged sails.io.js. */
export interface SailsClient {
  readonly socket: SailsSocket
  /** Socket id on the server; another one after `reconnect`. */
  readonly id: string
  /** Every message that arrived, whatever its event. */
  readonly messages: Inbox
  get(url: string, data?: object): Promise<Jwr>
  post(url: string, data?: object): Promise<Jwr>
  put(url: string, data?: object): Promise<Jwr>
  patch(url: string, data?: object): Promise<Jwr>
  delete(url: string, data?: object): Promise<Jwr>
  request(options: { method: string; url: string; data?: object; headers?: object }): Promise<Jwr>
  disconnect(): Promise<void>
  reconnect(): Promise<void>
}

/** A socket that begins to connect. Closed by itself at the end of the test or file. */
export function openSailsSocket({ port, ...options }: SailsClientOptions): SailsSocket {
  const socket = io.sails.connect(`http://127.0.0.1:${port}`, { multiplex: false, ...options })
  afterScope(() => socket.isConnected() && socket.disconnect())
  return socket
}

/** Connects a client of its own; several may be open at once. Closed by itself at the end of the test or file. */
export async function connectSailsClient(options: SailsClientOptions): Promise<SailsClient> {
  const socket = openSailsSocket(options)
  const messages = new Inbox()
  const connected = async () => {
    record(socket, messages)
    await eventOf(socket, 'connect')
  }
  await connected()
  const request = (method: string) => (url: string, data?: object) =>
    ask(socket, { method, url, ...(data && { data }) })
  return {
    socket,
    get id() {
      return socket._raw?.id ?? ''
    },
    messages,
    get: request('get'),
    post: request('post'),
    put: request('put'),
    patch: request('patch'),
    delete: request('delete'),
    request: options => ask(socket, options),
    async disconnect() {
      const gone = eventOf(socket, 'disconnect')
      socket.disconnect()
      await gone
    },
    async reconnect() {
      socket.reconnect()
      await connected()
    },
  }
}

const ask = (socket: SailsSocket, options: object): Promise<Jwr> =>
  new Promise(resolve => socket.request(options, (_body, jwr) => resolve(jwr)))

/** All events pass here, and nothing else of the client is touched. Each connection has a raw socket of its own. */
function record(socket: SailsSocket, messages: Inbox) {
  const raw = socket._raw
  if (!raw || recorded.has(raw)) return
  recorded.add(raw)
  const onevent = raw.onevent
  raw.onevent = packet => {
    const [event, ...args] = packet.data ?? []
    messages.add(String(event), args)
    onevent.call(raw, packet)
  }
}

const recorded = new WeakSet<object>()

const io = SailsIOClient(socketIoClient2) as SailsIo
io.sails.autoConnect = false
io.sails.useCORSRouteToGetCookie = false
io.sails.environment = 'production' // it logs to the console otherwise
