import { createRequire } from 'node:module'
import { afterScope } from '../helpers/scope.ts'

/** What the tests use of the unchanged browser client, run in Node. */
export interface SailsSocket {
  get(url: string, done?: RequestDone): void
  get(url: string, data: unknown, done?: RequestDone): void
  post(url: string, data?: unknown, done?: RequestDone): void
  put(url: string, data?: unknown, done?: RequestDone): void
  patch(url: string, data?: unknown, done?: RequestDone): void
  delete(url: string, data?: unknown, done?: RequestDone): void
  request(options: { method: string; url: string; data?: unknown; headers?: object }, done?: RequestDone): void
  on(event: string, listener: (...args: never[]) => void): void
  off(event: string, listener: (...args: never[]) => void): void
  disconnect(): void
  isConnected(): boolean
  readonly _raw: { id: string; emit(event: string, ...args: unknown[]): void; io: { engine: { close(): void } } }
}

export type RequestDone = (body: unknown, response: WebResponse) => void

export interface WebResponse {
  readonly body: unknown
  readonly headers: Record<string, string>
  readonly statusCode: number
}

interface SailsClient {
  sails: { autoConnect: boolean; environment: string; connect(url: string, options: object): SailsSocket }
}

const require = createRequire(import.meta.url)
const client: SailsClient = require('sails.io.js')(require('socket.io-client'))
client.sails.autoConnect = false
client.sails.environment = 'production' // quiet

/** A connected socket of the real sails.io.js, closed when the test ends. */
export async function connectSails(url: string, options: object = {}): Promise<SailsSocket> {
  const socket = client.sails.connect(url, {
    environment: 'production',
    transports: ['websocket'],
    multiplex: false,
    ...options,
  })
  afterScope(() => socket.disconnect())
  await new Promise<void>((resolve, reject) => {
    socket.on('connect', () => resolve())
    socket.on('connect_error', (error: Error) => reject(error))
  })
  return socket
}

/** A request and its answer. */
export function ask(
  socket: SailsSocket,
  method: string,
  url: string,
  data?: unknown,
  headers?: object,
): Promise<WebResponse> {
  return new Promise(resolve => {
    socket.request(
      { method, url, ...(data === undefined ? {} : { data }), ...(headers ? { headers } : {}) },
      (_body, response) => resolve(response),
    )
  })
}

/** Everything that a socket hears of these events, as `[event, payload, meta]`. */
export function listen(socket: SailsSocket, ...events: string[]) {
  const heard: [string, unknown, unknown][] = []
  for (const event of events) {
    socket.on(event, (payload: unknown, meta: unknown) => void heard.push([event, payload, meta]))
  }
  return heard
}
