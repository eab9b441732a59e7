import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Server } from 'socket.io'

/**
 * What stands behind a cluster adapter, as far as handing messages over goes. socket.io itself tells nobody whether a
 * message has left the process.
 */
export interface FlushTracker {
  /** Resolves with what became of everything that was emitted since the last call; rejects when any of it failed. */
  flush(): Promise<void>
  /** Whether the connection was lost since {@link recovered}: other servers may not have been there to receive. */
  readonly interrupted: boolean
  /** Resolves when the other servers are back too, as far as can be seen, or when waiting longer makes no sense. */
  recovered(): Promise<void>
  /** Rejects, or does not settle, while the backend is away; so that an outage is known when nothing is to be sent. */
  check(): Promise<void>
}

/** Null for an adapter that is not known: nothing can be said about its messages. */
export function flushTrackerOf(io: Server): FlushTracker | null {
  const adapter = io.of('/').adapter as unknown as RedisLike & PostgresLike
  if (adapter.pubClient) return redisHandover(adapter)
  if (adapter.client?.pool) return postgresHandover(adapter.client)
  return null
}

/**
 * The Redis adapters, over any client library: those of socket.io, and socket.io-redis that they come from, which Sails has
 * as @sailshq/socket.io-redis.
 */
interface RedisLike {
  pubClient?: RedisClient
  serverCount?(): Promise<number>
  /** What socket.io-redis has instead. */
  getNumSub?(): Promise<number>
}

interface RedisClient {
  on?(event: string, listener: () => void): unknown
  /** Node-redis had it until version 3, when commands took callbacks and gave no promises. */
  readonly connected?: boolean
}

/** The Postgres adapter: `client.client` is its listening connection, absent while it is lost. */
interface PostgresLike {
  client?: PubSubClient
}

interface PubSubClient {
  pool: object
  readonly client?: object
}

const PEERS_BACK_MS = 10_000
const PEERS_LOOK_MS = 5_000
const POLL_MS = 100
/** A Postgres adapter that lost its connection listens again after 1 to 3 seconds. */
const POSTGRES_PEERS_BACK_MS = 3_000

function redisHandover(adapter: RedisLike): FlushTracker {
  const outgoing = new Outgoing()
  let peers = 0
  let lookedAt = Number.NEGATIVE_INFINITY
  let interrupted = false
  const interrupt = () => {
    interrupted = true
  }
  for (const event of ['reconnecting', 'end', 'close']) adapter.pubClient?.on?.(event, interrupt)
  const client: RedisClient = adapter.pubClient ?? {}
  const promising = client.connected === undefined ? <T>(method: T) => method : promisify
  adapter.pubClient = outgoing.recording(client, name => /^s?publish$/i.test(name), promising)
  const serverCount = async () => await (adapter.serverCount?.() ?? adapter.getNumSub?.() ?? 0)
  /** How many there are in good times, so that it is known how many should come back after bad ones. */
  const countPeers = async () => {
    if (interrupted || performance.now() - lookedAt < PEERS_LOOK_MS) return
    lookedAt = performance.now()
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

function postgresHandover(client: PubSubClient): FlushTracker {
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
      if (client.client === undefined) throw new Error('Its connection is lost.')
    },
  }
}

/** Not the reading and cleaning up of attachments. */
const isSending = (text: unknown) => typeof text === 'string' && /^\s*(select pg_notify|insert)/i.test(text)

type Method = (...args: unknown[]) => unknown
const isMethod = (value: unknown): value is Method => typeof value === 'function'

/** A message with an attachment is sent in two steps, of which the second begins when the first is done. */
const STEPS = 2

/**
 * The promises that sending returns and that the adapters drop. The app's own messages are among them, on nodes that never
 * publish too: what has been sent is forgotten, and what comes while the feed waits is not waited for.
 */
class Outgoing {
  readonly #pending = new Set<Promise<unknown>>()
  #failure: { readonly reason: unknown } | null = null

  /** The same object; what the chosen methods return, made such that they give promises, is kept until it settles. */
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
