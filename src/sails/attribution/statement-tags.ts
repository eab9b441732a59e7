import { AsyncResource } from 'node:async_hooks'

/** A node-postgres pool, as far as sails-postgresql uses it. */
interface Pool {
  connect(callback?: Done): unknown
}

interface Client {
  query(...args: unknown[]): unknown
}

// biome-ignore lint/suspicious/noExplicitAny: node-postgres' callbacks differ in what they are called with
type Done = (...args: any[]) => void

/**
 * Writes `/*changefeed:origin=...*\/` before each writing statement that is sent through this pool while `originNow` knows
 * an origin. Connections of the pool are told apart from all others of the process: those of other pools stay as they are.
 * Gives false, and does nothing, for what is no such pool.
 *
 * A pool calls back from whatever made a connection free, and a connection from its socket, so both would go on in the
 * name of another request: callbacks are bound to the caller's.
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

/** A named statement is prepared once under its text, which must stay the same; a query object is not ours to change. */
function withOrigin(statement: unknown, originNow: () => string | undefined): unknown {
  if (isPlainStatement(statement)) return { ...statement, text: withOrigin(statement.text, originNow) }
  const origin = typeof statement === 'string' && WRITES.test(statement) ? originNow() : undefined
  return origin === undefined ? statement : `/*changefeed:origin=${origin}*/ ${statement}`
}

/** Comments may stand before it. A function that a SELECT calls may write as well; its changes have no origin then. */
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
