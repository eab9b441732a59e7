import { AsyncResource } from 'node:async_hooks'

/** The part of a node-postgres pool that sails-postgresql uses. */
interface Pool {
  connect(callback?: Done): unknown
}

interface Client {
  query(...args: unknown[]): unknown
}

// biome-ignore lint/suspicious/noExplicitAny: the arguments of node-postgres' callbacks differ
type Done = (...args: any[]) => void

/**
 * Prefixes each writing statement sent through this pool with `/*changefeed:origin=...*\/` while `originNow` returns an
 * origin. Connections of other pools are not affected. Returns false, and changes nothing, if `pool` is not such a pool.
 *
 * A pool runs callbacks in the async context of whichever client released a connection, and a client in that of its
 * socket. Both may belong to another request, so callbacks are bound to the context of their caller.
 */
export function tagStatements(pool: unknown, originNow: () => string | undefined): boolean {
  if (!isPool(pool)) return false
  const connect = pool.connect
  pool.connect = callback => {
    if (!callback) return (connect.call(pool) as Promise<Client>).then(client => tagClient(client, originNow))
    const taken = (error: unknown, client: Client | undefined, ...rest: unknown[]) =>
      callback(error, client && tagClient(client, originNow), ...rest)
    return connect.call(pool, AsyncResource.bind(taken))
  }
  return true
}

const tagged = new WeakSet<Client>()

function tagClient(client: Client, originNow: () => string | undefined): Client {
  if (tagged.has(client)) return client
  tagged.add(client)
  const query = client.query
  client.query = (...args) => {
    const callback = args.at(-1)
    if (typeof callback === 'function') args[args.length - 1] = AsyncResource.bind(callback as Done)
    args[0] = withOrigin(args[0], originNow)
    return query.apply(client, args)
  }
  return client
}

/** Named statements are not tagged, because they are prepared once under a fixed text. Query objects are copied, not changed. */
function withOrigin(statement: unknown, originNow: () => string | undefined): unknown {
  if (isPlainStatement(statement)) return { ...statement, text: withOrigin(statement.text, originNow) }
  const origin = typeof statement === 'string' && WRITES.test(statement) ? originNow() : undefined
  return origin === undefined ? statement : `/*changefeed:origin=${origin}*/ ${statement}`
}

/** Skips leading comments. Writes of functions that a SELECT calls are not recognized and get no origin. */
const WRITES = /^(?:\s|--.*\n|\/\*(?:[^*]|\*(?!\/))*\*\/)*(?:insert|update|delete|merge|with|call|do|truncate)\b/i

const isPlainStatement = (statement: unknown): statement is { text: string } =>
  typeof statement === 'object' &&
  statement !== null &&
  Object.getPrototypeOf(statement) === Object.prototype &&
  'text' in statement &&
  !('name' in statement && statement.name)

function isPool(pool: unknown): pool is Pool {
  return typeof (pool as Partial<Pool> | null | undefined)?.connect === 'function'
}
