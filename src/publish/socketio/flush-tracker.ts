import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Server } from 'socket.io'

/**
 * Tracks whether the backend of a cluster adapter has accepted messages. socket.io does not report whether a message has
 * left the process.
 */
export interface FlushTracker {
  /** Resolves when all messages emitted since the last call are accepted. Rejects if any failed. */
  flush(): Promise<void>
  /** Whether the connection was lost since {@link recovered}, so that other servers may have missed messages. */
  readonly interrupted: boolean
  /** Resolves when the other servers have reconnected, as far as is known, or after a timeout. */
  recovered(): Promise<void>
  /** Rejects, or does not settle, while the backend is unavailable. Detects an outage when there are no messages. */
  check(): Promise<void>
}

/** Null for an unknown adapter, whose messages cannot be tracked. */
export function flushTrackerOf(io: Server): FlushTracker | null {
  const adapter = io.of('/').adapter as unknown as RedisLike & PostgresLike
  if (adapter.pubClient) return redisFlushTracker(adapter)
  if (adapter.client?.pool) return postgresFlushTracker(adapter.client)
  return null
}

/** A Redis adapter with any client library: one of socket.io, or their predecessor socket.io-redis (@sailshq/socket.io-redis). */
interface RedisLike {
  pubClient?: RedisClient
  serverCount?(): Promise<number>
  /** The equivalent in socket.io-redis. */
  getNumSub?(): Promise<number>
}

interface RedisClient {
  on?(event: string, listener: () => void): unknown
  /** Only in node-redis up to version 3, whose commands take callbacks instead of returning promises. */
  readonly connected?: boolean
}

/** The Postgres adapter. `client.client` is its listening connection, undefined while it is lost. */
interface PostgresLike {
  client?: PubSubClient
}

interface PubSubClient {
  pool: object
  readonly client?: object
}

const PEERS_BACK_MS = 10_000
const PEERS_COUNT_MS = 5_000
const POLL_MS = 100
/** A Postgres adapter that lost its connection listens again after 1 to 3 seconds. */
const POSTGRES_PEERS_BACK_MS = 3_000

function redisFlushTracker(adapter: RedisLike): FlushTracker {
  const outgoing = new Outgoing()
  let peers = 0
  let countedAt = Number.NEGATIVE_INFINITY
  let interrupted = false
  const interrupt = () => {
    interrupted = true
  }
  for (const event of ['reconnecting', 'end', 'close']) adapter.pubClient?.on?.(event, interrupt)
  const client: RedisClient = adapter.pubClient ?? {}
  const promising = client.connected === undefined ? <T>(method: T) => method : promisify
  adapter.pubClient = outgoing.recording(client, name => /^s?publish$/i.test(name), promising)
  const serverCount = async () => await (adapter.serverCount?.() ?? adapter.getNumSub?.() ?? 0)
  /** Counts the servers while the connection is up, to know how many must reconnect after an interruption. */
  const countPeers = async () => {
    if (interrupted || performance.now() - countedAt < PEERS_COUNT_MS) return
    countedAt = performance.now()
    const count = await serverCount()
    if (!interrupted) peers = count
  }
  return {
    get interrupted() {
      return interrupted
    },
    async flush() {
      countPeers().catch(interrupt)
      await outgoing.flush().catch(error => {
        interrupted = true
        throw error
      })
    },
    async recovered() {
      const deadline = performance.now() + PEERS_BACK_MS
      while ((await serverCount()) < peers && performance.now() < deadline) await sleep(POLL_MS)
      interrupted = false
    },
    check: async () => void (await serverCount()),
  }
}

function postgresFlushTracker(client: PubSubClient): FlushTracker {
  const outgoing = new Outgoing()
  let interrupted = false
  client.pool = outgoing.recording(client.pool, (name, [text]) => name === 'query' && isSending(text))
  return {
    get interrupted() {
      return interrupted || client.client === undefined
    },
    async flush() {
      await outgoing.flush().catch(error => {
        interrupted = true
        throw error
      })
    },
    async recovered() {
      while (client.client === undefined) await sleep(POLL_MS)
      await sleep(POSTGRES_PEERS_BACK_MS)
      interrupted = false
    },
    async check() {
      if (client.client === undefined) throw new Error('The connection is lost.')
    },
  }
}

/** Whether the statement sends a message. Reading and deleting attachments does not count. */
const isSending = (text: unknown) => typeof text === 'string' && /^\s*(select pg_notify|insert)/i.test(text)

type Method = (...args: unknown[]) => unknown
const isMethod = (value: unknown): value is Method => typeof value === 'function'

/** A message with an attachment takes two consecutive queries. */
const STEPS = 2

/**
 * Keeps the promises of sending, which the adapters ignore. They include the app's own messages, also on nodes that do not
 * publish, so settled promises are dropped, and `flush` does not wait for messages sent after it began.
 */
class Outgoing {
  readonly #pending = new Set<Promise<unknown>>()
  #failure: { readonly reason: unknown } | null = null

  /** Wraps `target`: promises that the chosen methods return are kept until they settle. `promising` converts callback methods. */
  recording<T extends object>(
    target: T,
    isChosen: (name: string, args: unknown[]) => boolean,
    promising = (method: Method) => method,
  ): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object)
        if (!isMethod(value)) return value
        return (...args: unknown[]) => {
          if (!isChosen(String(name), args)) return value.apply(object, args)
          const result = promising(value).apply(object, args)
          this.#keep(result)
          return result
        }
      },
    })
  }

  async flush(): Promise<void> {
    for (let step = 0; step < STEPS && this.#pending.size > 0; step++) {
      await Promise.allSettled(this.#pending)
      await new Promise(resolve => setImmediate(resolve))
    }
    const failure = this.#failure
    this.#failure = null
    if (failure) throw failure.reason
  }

  #keep(result: unknown) {
    if (!(result instanceof Promise)) return
    this.#pending.add(result)
    const settled = () => void this.#pending.delete(result)
    result.then(settled, reason => {
      settled()
      this.#failure ??= { reason }
    })
  }
}
