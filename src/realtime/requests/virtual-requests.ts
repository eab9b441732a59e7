import type { IncomingMessage, ServerResponse } from 'node:http'
import { parseCookie, parseSetCookie, stringifyCookie } from 'cookie'
import { type DispatchFunc, inject, type Response } from 'light-my-request'
import type { Socket } from 'socket.io'
import type { Logger } from '../../logger.ts'
import { ofHandshake } from './client-headers.ts'
import type { Handle } from './handling.ts'
import { rateLimit } from './limits.ts'
import { Refusal, tooMany } from './refusal.ts'
import type { NodeHandler } from './request.ts'
import { withResponses } from './responses.ts'
import { METHODS, type MessageRules, type Method, parseMessage, type VirtualMessage } from './virtual-message.ts'

/** The response to a virtual request, as sails.io.js expects it. */
export interface WebResponse {
  readonly body: unknown
  readonly headers: Record<string, unknown>
  readonly statusCode: number
}

export interface VirtualRequestOptions extends MessageRules {
  readonly handle: Handle
  /** The app's own handler (Express, Node) for requests that match no route. */
  readonly handler: NodeHandler | undefined
  readonly logger: Logger
}

/** Serves the requests that a client sends as socket messages. */
export function serveVirtualRequests(socket: Socket, options: VirtualRequestOptions): void {
  const { limits, logger } = options
  const rate = rateLimit({ perSecond: limits.requestsPerSecond, burst: limits.burst })
  const spend = (count: number) => {
    if (!rate.allows(Math.min(count, limits.burst)))
      throw tooMany('requestsPerSecond', `At most ${limits.requestsPerSecond} requests a second.`)
  }
  let pending = 0
  // Express and other frameworks read these properties of a Node socket.
  Object.assign(socket, { remoteAddress: socket.handshake.address, encrypted: socket.handshake.secure })

  const answer = async (method: Method, message: unknown): Promise<WebResponse> => {
    spend(1)
    if (pending >= limits.pendingRequests)
      throw tooMany('pendingRequests', `At most ${limits.pendingRequests} requests at once.`)
    pending++
    try {
      checkClient(socket)
      const parsed = parseMessage(method, message, options)
      spend(Math.floor(parsed.values / VALUES_OF_A_REQUEST))
      return await perform(socket, parsed, options)
    } finally {
      pending--
    }
  }
  for (const method of METHODS) {
    socket.on(method, (message: unknown, acknowledge: unknown) => {
      answer(method, message).then(
        response => respond(response, acknowledge),
        (error: unknown) => respondToError(socket, error, acknowledge, logger),
      )
    })
  }
}

/** A request with many values counts as several requests, because it takes longer. */
const VALUES_OF_A_REQUEST = 500

/** Rejects clients before sails.io.js 0.11, which use a different protocol. */
function checkClient({ handshake }: Socket) {
  const name = '__sails_io_sdk_version'
  const version = [handshake.query[name] ?? handshake.headers[name]].flat()[0] ?? ''
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 0 || minor >= 11) return
  throw new Refusal(
    400,
    'E_BAD_REQUEST',
    'Connect with sails.io.js 0.11 or later, or with __sails_io_sdk_version in the query.',
  )
}

/** Runs the routes, then the app's own handler, as for an HTTP request. */
async function perform(socket: Socket, message: VirtualMessage, options: VirtualRequestOptions): Promise<WebResponse> {
  const { handle, handler, logger } = options
  const dispatch = async (req: IncomingMessage, res: ServerResponse) => {
    pin(req, ['_read', 'destroy'])
    pin(res, ['writeHead', 'write', 'end', 'destroy'])
    Object.defineProperty(req, 'connection', { value: socket, writable: true })
    Object.assign(req, { socket, isSocket: true })
    if (await handle(req, res, { query: message.query, body: () => message.body })) return
    if (handler) await handler(req, res, error => unanswered(res, error, logger))
    else unanswered(res, undefined, logger)
  }
  const { method, url } = message
  const payload = hasBody(message) ? JSON.stringify(message.body) : undefined
  const response = await inject(guarded(dispatch, logger), {
    method,
    url,
    headers: headersOf(socket, message, payload !== undefined),
    remoteAddress: socket.handshake.address,
    ...(payload === undefined ? {} : { payload }),
  })
  keepCookies(socket, response)
  return { body: bodyOf(response), headers: withoutCookies(response.headers), statusCode: response.statusCode }
}

/** Copies methods of a virtual request or response to the object itself, because Express replaces the prototypes. */
function pin(message: object, names: readonly string[]) {
  for (const name of names) Reflect.set(message, name, Reflect.get(message, name))
}

/** Loads the session for a socket's cookie with middleware that sets `req.session`. */
export async function loadSession(socket: Socket, session: NodeHandler): Promise<unknown> {
  const { cookie } = socket.handshake.headers
  return await new Promise((resolve, reject) => {
    const dispatch: DispatchFunc = (req, res) => {
      Object.defineProperty(req, 'connection', { value: socket })
      const next = (error?: unknown) => {
        if (error) reject(error)
        else resolve((req as { session?: unknown }).session ?? {})
        res.end()
      }
      Promise.resolve(session(req, res, next)).catch(reject)
    }
    inject(dispatch, { method: 'GET', url: '/', headers: cookie === undefined ? {} : { cookie } }).catch(reject)
  })
}

function guarded(dispatch: (req: IncomingMessage, res: ServerResponse) => Promise<void>, logger: Logger): DispatchFunc {
  return (req, res) => {
    dispatch(req, res).catch((error: unknown) => withResponses(res, logger).serverError(error))
  }
}

function unanswered(res: ServerResponse, error: unknown, logger: Logger) {
  if (res.writableEnded) return
  const response = withResponses(res, logger)
  if (error === undefined || error === null) response.notFound()
  else response.serverError(error)
}

const hasBody = ({ method, body }: VirtualMessage) => method !== 'GET' && method !== 'HEAD' && body !== undefined

/** Headers of the handshake override those of the message, because a proxy may have set them and the server may trust them. */
const headersOf = ({ handshake }: Socket, message: VirtualMessage, withBody: boolean): Record<string, string> => ({
  'user-agent': 'sails.io.js',
  ...message.headers,
  ...ofHandshake(handshake.headers),
  ...(withBody ? { 'content-type': 'application/json' } : {}),
})

/** Browsers do not store cookies of socket responses, so the socket keeps them for its later requests. */
function keepCookies({ handshake }: Socket, response: Response) {
  const set = [response.headers['set-cookie'] ?? []].flat().map(text => parseSetCookie(String(text)))
  if (set.length === 0) return
  const kept = parseCookie(handshake.headers.cookie ?? '')
  for (const { name, value } of set) kept[name] = value
  handshake.headers.cookie = stringifyCookie(kept)
}

const withoutCookies = ({ 'set-cookie': _, ...headers }: Response['headers']) => headers

function bodyOf({ headers, payload, rawPayload }: Response): unknown {
  if (rawPayload.length === 0) return undefined
  const type = String(headers['content-type'] ?? '')
  if (/\bjson\b/.test(type)) return JSON.parse(payload)
  return type === '' || /^text\/|javascript|xml/.test(type) ? payload : rawPayload
}

function respond(response: WebResponse, acknowledge: unknown) {
  if (typeof acknowledge === 'function') acknowledge(response)
}

/** Without an acknowledgement callback, an invalid request is reported by an event, as in Sails. */
function respondToError(socket: Socket, error: unknown, acknowledge: unknown, logger: Logger) {
  const isOurs = error instanceof Refusal
  if (!isOurs) logger.error('A virtual request failed', { error })
  if (typeof acknowledge !== 'function') {
    if (isOurs) socket.emit('sails:parseError', { ...PARSE_ERROR, details: error.message })
  } else if (isOurs) respond({ body: error.body, headers: {}, statusCode: error.status }, acknowledge)
  else respond({ body: 'Internal Server Error', headers: {}, statusCode: 500 }, acknowledge)
}

const PARSE_ERROR = { code: 'SAILS:HOOK:SOCKETS:PARSE_VIRTUAL_REQ', status: 400 }
