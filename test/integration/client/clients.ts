import { io as connect } from 'socket.io-client-4'
import { type Changes, type ChangesEvents, type ChangesOptions, changefeed } from '../../../src/client/client.ts'
import { eventually } from '../../helpers/eventually.ts'
import { openSailsSocket } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { socketIoClient2 } from '../../helpers/socket-io-client-2.ts'

/** A socket that the app's handlers listen on. */
interface Socket {
  on(event: string, listener: (...args: unknown[]) => void): unknown
}

/** The sockets that the client supports, each as an app opens it. */
export const SOCKETS: Record<string, (port: number) => Socket> = {
  'sails.io.js 1.2.1': port => openSailsSocket({ port }),
  'socket.io-client 2': port =>
    closing(socketIoClient2(url(port), { multiplex: false, transports: ['websocket'], query: VERSION })),
  'socket.io-client 4': port =>
    closing(connect(url(port), { multiplex: false, transports: ['websocket'], query: VERSION })),
}

const VERSION = { __sails_io_sdk_version: '1.2.1' }
const url = (port: number) => `http://127.0.0.1:${port}`

function closing<Opened extends { close(): unknown }>(socket: Opened): Opened {
  afterScope(() => socket.close())
  return socket
}

interface PageOptions {
  /** Paths that are requested, and whose answers are not used. */
  readonly requests?: readonly string[]
  /** Events that the page has a handler for. */
  readonly events?: readonly string[]
}

/** An app's page: a socket, its handlers, and the client. Reconnects at once. */
export function openPage(
  socket: Socket,
  { requests = [], events = ['user'], ...options }: ChangesOptions & PageOptions = {},
) {
  hasten(socket)
  const changes: Changes = changefeed(socket, options)
  for (const path of requests) changes.get(path)
  const handled: string[] = []
  for (const event of events) socket.on(event, message => void handled.push(line(event, message)))
  const reports = { caughtUp: [], gap: [], error: [] } as { [Name in keyof ChangesEvents]: ChangesEvents[Name][] }
  changes.on('caughtUp', event => void reports.caughtUp.push(event))
  changes.on('gap', event => void reports.gap.push(event))
  changes.on('error', event => void reports.error.push(event))
  afterScope(() => changes.close())
  return {
    socket,
    changes,
    handled,
    ...reports,
    /** Resolves in the state `live` once everything has been handed over so often. */
    caughtUpTimes: (count: number, withinMs = 10_000) =>
      eventually(
        () => {
          if (reports.caughtUp.length < count || changes.state !== 'live')
            throw new Error(`${changes.state}, caught up ${reports.caughtUp.length} times`)
        },
        { withinMs },
      ),
  }
}

/** Shortens the wait before a reconnect. */
export function hasten(socket: Socket) {
  const { _raw = socket } = socket as { _raw?: object }
  const { io } = _raw as unknown as {
    io: { reconnectionDelay(ms: number): void; reconnectionDelayMax(ms: number): void }
  }
  io.reconnectionDelay(20)
  io.reconnectionDelayMax(100)
}

const line = (event: string, message: unknown) => {
  const { verb, id, data } = message as { verb: string; id: unknown; data?: object }
  return `${event} ${verb} ${id}${data ? ` ${JSON.stringify(data)}` : ''}`
}

/** A storage as `sessionStorage`. */
export function memoryStorage(content: Record<string, string> = {}) {
  return {
    content,
    getItem: (key: string) => content[key] ?? null,
    setItem(key: string, value: string) {
      content[key] = value
    },
  }
}
