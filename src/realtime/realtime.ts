import type { Server as HttpServer } from 'node:http'
import { Server, type Socket } from 'socket.io'
import { ChangefeedError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { ModelRecord, Models } from '../models/model.ts'
import { readModels } from '../models/model-map.ts'
import type { FeedSnapshot } from '../publish/feed-snapshot.ts'
import type { Publisher } from '../publish/publisher.ts'
import { ClientBuffers } from '../publish/socketio/client-buffers.ts'
import { setClientModels } from '../publish/socketio/client-models.ts'
import { RecentSubscriptions } from '../publish/socketio/recent-subscriptions.ts'
import { socketPublisher } from '../publish/socketio/socket-publisher.ts'
import { type FeedOmits, openModels, resolveAccess } from './blueprints/access.ts'
import type { LiveModel } from './blueprints/live-model.ts'
import { addReadRoutes } from './blueprints/read-routes.ts'
import { RecordReader } from './blueprints/record-reader.ts'
import { RecordWriter } from './blueprints/record-writer.ts'
import { addWriteRoutes } from './blueprints/write-routes.ts'
import { addCatchUpRoute } from './catch-up-route.ts'
import { attachPubSub } from './pubsub/pubsub.ts'
import { type Sockets, sailsSockets } from './pubsub/sockets.ts'
import { parseRealtimeOptions, type RealtimeOptions, type RealtimeSettings } from './realtime-options.ts'
import { admission } from './requests/admission.ts'
import { clientHeaders } from './requests/client-headers.ts'
import { closeFloods } from './requests/flood.ts'
import { type Handle, routeHandling } from './requests/handling.ts'
import { addClientRoutes, httpHandler, interceptRequests } from './requests/http-requests.ts'
import type { NodeHandler, RealtimeHandler, RealtimeRequest } from './requests/request.ts'
import { RequestGuard } from './requests/request-guard.ts'
import { Router } from './requests/router.ts'
import { loadSession, serveVirtualRequests } from './requests/virtual-requests.ts'

/** Interval of checks for clients that do not read, in milliseconds. */
const CHECK_BUFFERS_MS = 500

/** The realtime features of Sails for an app without Sails. */
export interface Realtime {
  /** `sails.sockets`. */
  readonly sockets: Sockets
  readonly io: Server
  /** Publishes events of a change feed to the sockets of this server. */
  readonly publisher: Publisher
  /** The routes as a Node handler: `app.use(realtime.handler)` if `server` is not passed. */
  readonly handler: NodeHandler
  /**
   * Handles requests for a method and path, over sockets and HTTP: `GET /say/hello`, `/any/method`, `POST /user/:id`.
   * Throws `E_USAGE` for an invalid address.
   */
  route(address: string, handler: RealtimeHandler): void
  /** Disconnects all sockets and closes the socket.io server and its HTTP server. */
  close(): Promise<void>
}

/**
 * Adds the realtime features of Sails to an HTTP server and Waterline models: `sails.sockets`, resourceful pub-sub on the
 * models, virtual requests of an unmodified sails.io.js, which it serves at `/js/dependencies/sails.io.js`, and blueprint-like
 * routes for the models listed in `models`.
 *
 * Throws `E_OPTIONS` for invalid options, and `E_MODEL` for objects that are not Waterline collections.
 *
 * @example
 * const realtime = createRealtime({ server, collections: ontology.collections, models: { user: true } })
 * realtime.route('GET /say/hello', (req, res) => {
 *   realtime.sockets.join(req, 'funSockets')
 *   realtime.sockets.broadcast('funSockets', 'hello', req)
 *   res.ok()
 * })
 */
export function createRealtime(options: RealtimeOptions): Realtime {
  const settings = parseRealtimeOptions(options)
  const { logger, server, limits, session } = settings
  const models = resolveAccess(readModels(settings.collections), settings.models, omitsOf(settings))
  const [own, shadow] = [new Router(), new Router()]
  const handling = { middleware: session ? [session] : [], limits, logger }
  const handle = oneAfterTheOther([own, shadow].map(router => routeHandling(router, handling)))
  const guard = requestGuard(settings)
  const handler = httpHandler(handle, limits, guard)
  // Before socket.io is attached: it intercepts its own path and passes other requests to existing listeners.
  if (server) interceptRequests(server, handler)
  const io = settings.io ? usable(settings.io, settings) : openSocketServer(settings)
  const ownPagesOnly = asksOwnPagesOnly(settings)
  setClientModels(io, models)
  guard.watch(io, { ownPagesOnly })
  closeFloods(io, limits, logger)
  decideWhoConnects(io, settings)
  const sockets = sailsSockets(io, logger)
  addClientRoutes(shadow, { guard, ownPagesOnly: ownPagesOnly && !settings.onlyAllowOrigins })
  const buffers = boundBuffers(io, settings)
  addShadowRoutes(shadow, settings, models, io, sockets)
  const requests = {
    handle,
    handler: settings.handler,
    limits,
    logger,
    clientHeaders: clientHeaders(settings.clientHeaders),
  }
  io.on('connection', socket => {
    serveVirtualRequests(socket, requests)
    if (settings.afterDisconnect) socket.on('disconnect', () => void afterDisconnect(socket, settings))
  })
  return {
    sockets,
    io,
    publisher: socketPublisher(io, { models, buffers }),
    handler,
    route: (address, route) => own.add(address, route),
    close: async () => void (await io.close()),
  }
}

/** Also checks buffers by a timer, because not only a feed sends. */
function boundBuffers(io: Server, { maxBufferedBytes, onSlowClient, logger }: RealtimeSettings): ClientBuffers {
  const buffers = new ClientBuffers(io, {
    maxBytes: maxBufferedBytes,
    logger,
    ...(onSlowClient && { onDisconnect: onSlowClient }),
  })
  const timer = setInterval(() => buffers.check(), CHECK_BUFFERS_MS).unref()
  io.httpServer?.once('close', () => clearInterval(timer))
  return buffers
}

function openSocketServer(settings: RealtimeSettings): Server {
  const { server, path, limits, onlyAllowOrigins, allowEIO3 } = settings
  return new Server(server as HttpServer, {
    path,
    serveClient: false,
    allowEIO3,
    maxHttpBufferSize: limits.payloadBytes,
    ...(onlyAllowOrigins && { cors: { origin: [...onlyAllowOrigins], credentials: true } }),
  })
}

function usable(io: Server, { allowEIO3 }: RealtimeSettings): Server {
  const remedy = `new Server(httpServer${allowEIO3 ? ', { allowEIO3: true }' : ''})`
  if (!io.engine) {
    throw new ChangefeedError(
      'E_OPTIONS',
      `Option \`io\` is not attached to a server, so its requests cannot be checked. Attach it first: ${remedy}.`,
    )
  }
  if (!allowEIO3 || io.engine.opts.allowEIO3) return io
  throw new ChangefeedError(
    'E_OPTIONS',
    'Option `io` is a server without `allowEIO3`, so sails.io.js cannot connect. Create it with new Server(httpServer, { allowEIO3: true }). If all clients use socket.io-client 3 or later, pass createRealtime({ io, allowEIO3: false }) instead.',
  )
}

function requestGuard({ server, io, onlyAllowOrigins, allowedHosts, logger }: RealtimeSettings): RequestGuard {
  return new RequestGuard({ server: server ?? io?.httpServer, onlyAllowOrigins, allowedHosts, logger })
}

/** Skips the check if the app passes `io` or `beforeConnect`, which may have their own rules for pages of other origins. */
const asksOwnPagesOnly = ({ io, beforeConnect, onlyAllowOrigins }: RealtimeSettings) =>
  !beforeConnect && (io === undefined || onlyAllowOrigins !== undefined)

function decideWhoConnects(io: Server, { beforeConnect, onlyAllowOrigins, logger }: RealtimeSettings) {
  if (beforeConnect || onlyAllowOrigins) {
    io.engine.opts.allowRequest = admission({ beforeConnect, onlyAllowOrigins }, logger)
  }
}

const omitsOf =
  ({ feed }: RealtimeSettings): FeedOmits =>
  (identity, attribute) =>
    feed?.omits?.(identity, attribute) === true

const oneAfterTheOther =
  (handles: Handle[]): Handle =>
  async (...request) => {
    for (const handle of handles) if (await handle(...request)) return true
    return false
  }

function addShadowRoutes(router: Router, settings: RealtimeSettings, models: Models, io: Server, sockets: Sockets) {
  const { feed, limits, logger, collections, mirror } = settings
  const live = liveModels(collections)
  const open = openModels(models, settings.models, logger)
  attachPubSub(live, {
    io,
    models,
    sockets,
    logger,
    isPublishedByFeed: identity => covers(feed, identity),
  })
  const liveModel = (identity: string) => live[identity] as LiveModel
  const reader = new RecordReader({ models, open, live: liveModel, limits })
  const maySee = async (req: RealtimeRequest, identity: string, record?: ModelRecord) => {
    const model = open.get(identity)
    if (!model || !(await model.allows(req, 'find'))) return false
    return record === undefined || (await model.allowsRecord(req, record, 'find'))
  }
  const modelOf = (identity: string) => models.get(identity)
  const writer = new RecordWriter({ live: liveModel, modelOf, maySee, mirror, limits })
  const cursor = () => placeOf(feed, logger)
  const catchUp = feed?.catchUp?.bind(feed)
  if (catchUp) addCatchUpRoute(router, io, catchUp)
  const snapshot = () => snapshotOf(feed, logger)
  addReadRoutes(router, { open, reader, sockets, limits, cursor, snapshot, recent: RecentSubscriptions.of(io) })
  addWriteRoutes(router, { open, reader, writer, limits })
}

const covers = (feed: RealtimeSettings['feed'], identity: string) =>
  feed !== undefined && (feed.status?.().models.includes(identity) ?? true)

/** Undefined if the cursor cannot be read. The response is sent without it, and the client reads again after a gap. */
async function placeOf(feed: RealtimeSettings['feed'], logger: Logger): Promise<string | undefined> {
  try {
    return (await feed?.cursor()) || undefined
  } catch (error) {
    logger.warn('Sending a response without a cursor, because the cursor of the feed cannot be read', { error })
    return undefined
  }
}

/** Undefined if none can be taken. The client may then receive changes that its list contains. */
async function snapshotOf(feed: RealtimeSettings['feed'], logger: Logger): Promise<FeedSnapshot | undefined> {
  try {
    return await feed?.snapshot?.()
  } catch (error) {
    logger.warn('Clients may receive changes that their list contains, because no snapshot can be taken', { error })
    return undefined
  }
}

function liveModels(collections: object): Record<string, object> {
  const { collections: nested } = collections as { collections?: Record<string, object> }
  return nested ?? (collections as Record<string, object>)
}

async function afterDisconnect(socket: Socket, { afterDisconnect, session, logger }: RealtimeSettings) {
  const failed = (error: unknown) => logger.error('afterDisconnect failed', { error })
  try {
    const loaded = session ? await loadSession(socket, session) : {}
    const done = (error?: unknown) => (error ? failed(error) : saveSession(loaded, failed))
    await afterDisconnect?.(loaded, socket, done)
  } catch (error) {
    failed(error)
  }
}

/** Saves the session explicitly, because there is no response that would save it. */
function saveSession(session: unknown, failed: (error: unknown) => void) {
  const { save } = session as { save?: (done: (error?: unknown) => void) => void }
  save?.call(session, error => error && failed(error))
}
