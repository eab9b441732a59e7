import { setTimeout as sleep } from 'node:timers/promises'
import { Server } from 'socket.io'
import { openDatabase, type Pool } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { openAttachments } from './attachments.ts'
import type { CommandContext } from './command-context.ts'
import type { AdapterFactory } from './settings.ts'

/** A socket.io server without sockets. Its adapter forwards emitted messages to the sockets of the app. */
export interface ClusterEmitter {
  readonly io: Server
  /** The adapter, for log lines. */
  readonly by: string
  close(): Promise<void>
}

/** An unavailable Redis server does not respond. */
const QUIT_MS = 1_000

interface Backend {
  readonly adapter: AdapterFactory
  readonly by: string
  close(): Promise<void>
}

/**
 * Joins the app's cluster of socket.io servers, through the configured adapter or else the app's own. Throws
 * `E_OPTIONS` if there is none: with an in-memory adapter, only the app's process can reach its sockets.
 */
export async function openClusterEmitter(context: CommandContext, logger: Logger): Promise<ClusterEmitter> {
  const backend = await openBackend(context, logger)
  const io = new Server()
  io.adapter(backend.adapter)
  watchOutages(io, logger)
  const close = async () => {
    await Promise.resolve(io.of('/').adapter.close()).catch(() => {})
    await backend.close()
  }
  return { io, by: backend.by, close }
}

async function openBackend(context: CommandContext, logger: Logger): Promise<Backend> {
  const { redisUrl, channelPrefix, adapter } = context.settings
  if (redisUrl !== undefined) return await redisBackend(redisUrl, channelPrefix)
  if (adapter === 'postgres') return await postgresBackend(context, logger)
  if (adapter !== undefined) return { adapter, by: 'the adapter of the config file', close: async () => {} }
  const own = (await context.application()).adapter()
  if (own !== undefined) return { adapter: own, by: "the app's own adapter", close: async () => {} }
  throw new ChangefeedError(
    'E_OPTIONS',
    "No adapter is configured to reach the app's sockets. Pass the Redis server of their adapter with --redis-url, use --adapter postgres, or serve the sockets from this process with --serve. An app with one process needs no separate listener: it can run the feed itself.",
  )
}

/** Both clients reconnect without limit. Meanwhile, messages wait in the queue of the publishing client. */
async function redisBackend(url: string, key: string | undefined): Promise<Backend> {
  const { createAdapter } = await optional(() => import('@socket.io/redis-adapter'), '@socket.io/redis-adapter')
  const { createClient } = await optional(() => import('redis'), 'redis@4')
  const pub = createClient({ url, pingInterval: 10_000 })
  const sub = pub.duplicate()
  for (const client of [pub, sub]) {
    client.on('error', () => {}) // logged by watchOutages
    client.connect().catch(() => {})
  }
  const adapter = createAdapter(pub, sub, key === undefined ? {} : { key })
  // Not disconnect(): the adapter does not handle rejected commands, and an unhandled rejection ends the process.
  const quit = () => Promise.allSettled([pub.quit(), sub.quit()])
  const close = async () => void (await Promise.race([quit(), sleep(QUIT_MS)]))
  return { adapter, by: 'Redis', close }
}

/** Logs when Redis becomes unavailable and available again, once each. */
function watchOutages(io: Server, logger: Logger) {
  const adapter = io.of('/').adapter as Emitter & { readonly pubClient?: Partial<Emitter> }
  adapter.on('error', () => {}) // repeats the errors of its clients
  const client = adapter.pubClient
  if (!client?.on) return
  let away = false
  client.on('error', ({ message }) => {
    if (!away) logger.warn('Redis is unavailable; the feed waits', { error: message })
    away = true
  })
  client.on('ready', () => {
    if (away) logger.info('Redis is available again')
    away = false
  })
}

interface Emitter {
  on(event: string, listener: (error: Error) => void): unknown
}

async function postgresBackend(context: CommandContext, logger: Logger): Promise<Backend> {
  const { createAdapter } = await optional(() => import('@socket.io/postgres-adapter'), '@socket.io/postgres-adapter')
  const address = await context.address()
  const { channelPrefix, schema } = context.settings
  const db = openDatabase({ ...address, applicationName: 'waterline-changefeed adapter' }, schema)
  const tableName = await openAttachments(db).catch(async (error: unknown) => {
    await db.close()
    throw error
  })
  const errorHandler = (error: Error) => logger.warn('The Postgres adapter failed', { error: error.message })
  const adapter = createAdapter(releasing(db.pool), {
    errorHandler,
    tableName,
    ...(channelPrefix !== undefined && { channelPrefix }),
  })
  return { adapter, by: 'Postgres', close: () => db.close() }
}

/**
 * Releases lost connections to the pool. The adapter takes a new one without releasing the old, so the pool would run
 * out after three losses.
 */
function releasing(pool: Pool): Pool {
  const connect = async () => {
    const client = await pool.connect()
    client.once('end', () => client.release(true))
    return client
  }
  return { query: pool.query.bind(pool), connect } as unknown as Pool
}

async function optional<T>(load: () => Promise<T>, name: string): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw new ChangefeedError('E_OPTIONS', `The package ${name} is not installed: npm install ${name}`, {
      cause,
    })
  }
}
