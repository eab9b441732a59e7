import type { Server as HttpServer } from 'node:http'
import type { Server, Socket } from 'socket.io'
import { z } from 'zod'
import { ChangefeedError } from '../errors.ts'
import { type Logger, silentLogger } from '../logger.ts'
import { parseBySchema } from '../parse-by-schema.ts'
import type { FeedSnapshot } from '../publish/feed-snapshot.ts'
import { DEFAULT_MAX_BUFFERED_BYTES, type SlowClient } from '../publish/socketio/client-buffers.ts'
import { type ModelAccess, WRITE_ACTIONS } from './blueprints/access.ts'
import type { CatchUp } from './catch-up-route.ts'
import type { BeforeConnect } from './requests/admission.ts'
import { mayBeOfClient } from './requests/client-headers.ts'
import { DEFAULT_LIMITS, type Limits } from './requests/limits.ts'
import type { NodeHandler } from './requests/request.ts'

export interface RealtimeOptions {
  /** The HTTP server for pages and sockets. Pass `server` or `io`, or both if `io` is already attached to `server`. */
  server?: HttpServer
  /** An existing socket.io server, attached to an HTTP server. It must have `allowEIO3: true`, unless `allowEIO3` is `false` here. */
  io?: Server
  /**
   * Whether clients with Engine.IO 3 may connect, which all versions of sails.io.js use. With `false`, only
   * socket.io-client 3 and later can connect, and `io` may lack `allowEIO3`. @default true
   */
  allowEIO3?: boolean
  /** Waterline's models: `ontology.collections` of an initialised Waterline. */
  collections: object
  /** The models that clients may use. @default none */
  models?: Readonly<Record<string, true | ModelAccess>>
  /**
   * A change feed that publishes on this server: `createChangefeed({ io, ... })`. For its models, the app's own
   * `publishCreate` and so on send nothing, and responses have the header `changefeed-cursor`.
   */
  feed?: PublishingFeed
  /** The app's handler (Express, Node) for virtual requests that match no route. */
  handler?: NodeHandler
  /** Middleware that sets `req.session` from the cookie, such as express-session. */
  session?: NodeHandler
  /** Origins of the pages that may connect. @default this server's own pages, and clients that are not pages */
  onlyAllowOrigins?: readonly string[]
  /**
   * Host names that a server on a loopback address accepts besides `localhost` and 127.0.0.1, such as the public name behind
   * a reverse proxy. @default the host names in `onlyAllowOrigins`
   */
  allowedHosts?: readonly string[]
  /**
   * Header fields that requests over sockets may set besides `accept`, `accept-language`, `x-csrf-token`, `x-xsrf-token`,
   * `x-requested-with`, `nosession`, `x-request-id`, `traceparent` and `tracestate`, such as `authorization`. Do not add
   * fields that a proxy sets and the server trusts. @default none
   */
  clientHeaders?: readonly string[]
  /** Decides whether a client may connect, instead of `onlyAllowOrigins`. */
  beforeConnect?: BeforeConnect
  /** Called with the session of a disconnected socket. The session is saved when `done` is called. Errors are logged. */
  afterDisconnect?(session: unknown, socket: Socket, done: (error?: unknown) => void): unknown
  /** Whether a socket receives messages about its own writes by REST routes. @default false */
  mirror?: boolean
  /** Limits for requests of clients. If `io` is passed, its own options limit the message size. */
  limits?: Partial<Limits>
  /**
   * Maximum number of buffered bytes for a client that reads too slowly. Above this it is disconnected.
   * @default 16 MiB
   */
  maxBufferedBytes?: number
  /** Called for each client that is disconnected because of `maxBufferedBytes`. */
  onSlowClient?(client: SlowClient): void
  /** Path of the socket.io endpoint, if `io` is not passed. @default '/socket.io' */
  path?: string
  logger?: Logger
}

/** The methods of a change feed that are used here. */
export interface PublishingFeed {
  cursor(): Promise<string>
  /** Without it, a client may receive changes that the list that it has just read contains. */
  snapshot?(): Promise<FeedSnapshot | undefined>
  status?(): { readonly models: readonly string[] }
  omits?(identity: string, attribute: string): boolean
  /** Without it, `GET /changefeed/since` is not found. */
  catchUp?: CatchUp
}

/** The options with all defaults applied. */
export interface RealtimeSettings
  extends Readonly<Omit<RealtimeOptions, Defaulted | 'limits'>>,
    Readonly<Required<Pick<RealtimeOptions, Defaulted>>> {
  readonly limits: Limits
}

type Defaulted = 'logger' | 'models' | 'path' | 'mirror' | 'allowedHosts' | 'maxBufferedBytes' | 'allowEIO3'

const isFunction = z.custom<never>(value => typeof value === 'function', 'must be a function')
const withMethods = (message: string, ...names: string[]) =>
  z.custom<never>(
    value =>
      typeof value === 'object' &&
      value !== null &&
      names.every(name => typeof Reflect.get(value, name) === 'function'),
    message,
  )
const names = z.array(z.string(), 'must be a list of attribute names')
/** Whether the text is an origin as browsers send it: without a path and without a default port. */
const isOrigin = (text: string) =>
  /^file:\/\//.test(text) || (/^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text)
const count = z.int('must be a whole number').positive('must be above 0')

const access = z
  .strictObject(
    {
      policy: isFunction,
      recordPolicy: isFunction,
      watch: z.boolean('must be true or false'),
      write: z.union(
        [z.boolean(), z.array(z.enum(WRITE_ACTIONS))],
        `must be true, or a list of ${WRITE_ACTIONS.join(', ')}`,
      ),
      writable: names,
      searchable: names,
      omit: names,
      include: names,
    },
    'must be true, or an object such as { policy: req => ... }',
  )
  .partial()

export const schema = z.strictObject({
  server: withMethods('must be an http.Server', 'listeners', 'on').optional(),
  io: withMethods('must be a socket.io Server', 'to', 'emit', 'of').optional(),
  allowEIO3: z.boolean('must be true or false').default(true),
  collections: z.custom<object>(
    value => typeof value === 'object' && value !== null,
    'is required: ontology.collections of an initialised Waterline',
  ),
  models: z
    .record(
      z.string(),
      z.preprocess(value => (value === true ? {} : value), access),
    )
    .optional(),
  feed: withMethods('must be a change feed', 'cursor').optional(),
  handler: isFunction.optional(),
  session: isFunction.optional(),
  onlyAllowOrigins: z
    .array(
      z.string().refine(isOrigin, 'must be an origin as browsers send it, such as https://example.com'),
      'must be a list',
    )
    .optional(),
  allowedHosts: z
    .array(
      z.string().regex(/^([-a-z0-9_.]+|\[[\da-f:]+\])$/i, 'must be a host name without a port, such as example.com'),
      'must be a list',
    )
    .default([]),
  clientHeaders: z
    .array(
      z.string().refine(mayBeOfClient, 'must be a header field that does not identify the client'),
      'must be a list',
    )
    .optional(),
  beforeConnect: isFunction.optional(),
  afterDisconnect: isFunction.optional(),
  mirror: z.boolean('must be true or false').default(false),
  limits: z
    .strictObject(Object.fromEntries(Object.keys(DEFAULT_LIMITS).map(name => [name, count.optional()])))
    .optional(),
  maxBufferedBytes: count.default(DEFAULT_MAX_BUFFERED_BYTES),
  onSlowClient: isFunction.optional(),
  path: z.string().startsWith('/', 'must begin with /').default('/socket.io'),
  logger: withMethods('must have error, warn, info and debug functions', 'error', 'warn', 'info', 'debug').optional(),
})

/** Throws `E_OPTIONS`, naming each option that does not fit and what it must be. */
export function parseRealtimeOptions(options: RealtimeOptions): RealtimeSettings {
  const { path, mirror, allowedHosts, maxBufferedBytes, allowEIO3 } = parseBySchema(schema, options)
  if (!options.server && !options.io) {
    throw new ChangefeedError('E_OPTIONS', 'Option `server` is required, an http.Server; or `io`, a socket.io Server.')
  }
  refuseLeaks(options)
  const { limits = {}, logger = silentLogger, models = {} } = options
  const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
  const access = byIdentity(models)
  return Object.freeze({
    ...options,
    logger,
    models: access,
    path,
    mirror,
    allowedHosts,
    maxBufferedBytes,
    allowEIO3,
    limits: { ...DEFAULT_LIMITS, ...given },
  })
}

/** Lowers the names of models, because an app may write `User`. */
function byIdentity(models: Readonly<Record<string, true | ModelAccess>>): RealtimeSettings['models'] {
  const named = Object.entries(models).map(([name, access]) => [name.toLowerCase(), access] as const)
  const twice = named.find(([identity], index) => named.findIndex(([other]) => other === identity) !== index)
  if (twice) throw new ChangefeedError('E_OPTIONS', `Option \`models\` names "${twice[0]}" twice.`)
  return Object.fromEntries(named)
}

/** Attributes in `omit` must be omitted in the feed as well, because it publishes independently. */
function refuseLeaks({ feed, models = {} }: RealtimeOptions) {
  for (const [name, access] of Object.entries(models)) {
    const identity = name.toLowerCase()
    if (access === true || !feed?.omits || !feed.status?.().models.includes(identity)) continue
    const leak = access.omit?.find(attribute => !feed.omits?.(identity, attribute))
    if (leak === undefined) continue
    throw new ChangefeedError(
      'E_OPTIONS',
      `Option \`models.${name}.omit\` names \`${leak}\`, which the feed publishes. Omit it there too: createChangefeed({ models: { ${identity}: { omit: ['${leak}'] } } }).`,
    )
  }
}
