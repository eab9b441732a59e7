import type { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import { Kysely, PostgresDialect, type RawBuilder, sql } from 'kysely'
import pg, { type ClientBase } from 'pg'
import { ChangefeedError } from '../errors.ts'
import { assertOwnSession, type Probe } from './pooler.ts'
import { assertSchemaTrusted } from './schema-trust.ts'
import { assertReadable, malformed } from './server-url.ts'
import { configureSession, ownTypes } from './session-settings.ts'
import { SQLSTATE, sqlstateOf } from './sqlstate.ts'
import type { Tables } from './tables.ts'

export type { Queryable } from './queryable.ts'
export type Client = pg.Client
export type Pool = pg.Pool

/** node-postgres' registry of parsers (`pg.types`), asked anew for every value: an app may change it at any time. */
export interface TypeParsers {
  getTypeParser(oid: number): (text: string) => unknown
}

/** Those of our own copy of node-postgres. */
export const typeParsers: TypeParsers = pg.types

/** Where a database is, as a URL or in parts. In parts nothing has to be encoded, and `ssl` may be an object. */
export type ServerAddress = { readonly connectionString: string } | AddressParts

export interface AddressParts {
  /** A host name, an address, or the folder of a Unix socket. */
  readonly host: string
  readonly port?: number
  readonly user?: string
  readonly password?: string
  readonly database?: string
  /** As node-postgres takes it: true, or what `tls.connect()` takes, such as `{ ca, rejectUnauthorized }`. */
  readonly ssl?: boolean | ConnectionOptions
}

export type ConnectionSettings = ServerAddress & {
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  /** A role that may own our schema besides those that are trusted anyhow: see {@link assertSchemaTrusted}. */
  readonly schemaOwner?: string | undefined
  /** No answer within this time means a dead connection. Default 30,000 ms; 0 for a session that may wait for a lock. */
  readonly queryTimeoutMs?: number
}

const CONNECT_TIMEOUT_MS = 10_000
const KEEP_ALIVE_AFTER_MS = 10_000

/** The settings that every connection of ours shares; also what pg-listen gets. */
export function clientConfig(settings: ConnectionSettings) {
  const { applicationName, schemaOwner: _, queryTimeoutMs = 30_000, ...address } = settings
  if ('connectionString' in address) assertReadable(address.connectionString)
  return {
    ...(address as pg.ClientConfig),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    types: ownTypes,
    ...(queryTimeoutMs > 0 && { query_timeout: queryTimeoutMs }),
  } satisfies pg.ClientConfig
}

/**
 * One connection of its own. `onLost` hears of its end once, whatever the cause; without it an `error` event would end
 * the process. Throws `E_CONNECT` with the cause, never with the connection string, and `E_POOLER`.
 */
export async function connectClient(settings: ConnectionSettings, onLost: (error: Error) => void): Promise<Client> {
  const client = createClient(settings)
  let lost = false
  const lose = (error: Error) => {
    if (!lost) onLost(error)
    lost = true
  }
  client.on('error', lose)
  client.on('end', () => lose(new Error('The connection to Postgres ended.')))
  try {
    await client.connect()
    await settleOwnSession(client, settings)
    return client
  } catch (error) {
    lost = true
    await client.end().catch(() => {})
    throw connectError(error)
  }
}

/**
 * The first thing on a connection. A pooler answers a new connection by a process number of its own. Then nothing is set
 * before it is known that no other client gets the session: in transaction mode the app would run with our settings.
 * Throws `E_POOLER`.
 */
export async function settleOwnSession(client: ClientBase, settings: ConnectionSettings): Promise<void> {
  const { processID } = client as ClientBase & { readonly processID: number | null }
  if (await configureSession(client, processID)) return
  await assertOwnSession(client, () => connectProbe(settings))
  await configureSession(client)
}

const PROBE_TIMEOUT_MS = 3_000

async function connectProbe(settings: ConnectionSettings): Promise<Probe> {
  const client = createClient({ ...settings, queryTimeoutMs: PROBE_TIMEOUT_MS })
  client.on('error', () => {})
  await client.connect()
  return { client, close: () => endClient(client) }
}

/** A connection that is broken without a sign would never end by itself. */
const END_DEADLINE_MS = 2_000

/** Ends a connection; one that does not answer is cut. */
export async function endClient(client: Client): Promise<void> {
  const timer = setTimeout(() => cutClient(client), END_DEADLINE_MS)
  await client.end().catch(() => {})
  clearTimeout(timer)
}

/** Ends a connection without a word to the server. Its queries reject at once. */
export function cutClient(client: Client): void {
  const { connection } = client as unknown as { connection: { stream: Duplex } }
  connection.stream.destroy()
}

export interface Database {
  /** Name of our schema, unquoted. */
  readonly schema: string
  readonly pool: Pool
  /** Queries on our own schema. */
  readonly kysely: Kysely<Tables>
  /** The qualified name of a table or function of ours, for raw SQL, which Kysely's schema does not reach. */
  our(name: string): RawBuilder<unknown>
  /** Goes on with fresh connections. Those of before, which may hang, are cut, and their queries reject. */
  renew(): void
  close(): Promise<void>
}

/**
 * A small pool for everything that is not the hot path. Connects lazily; a lost idle connection is replaced. No connection
 * is lent out before our schema is known to be ours: queries throw `E_SCHEMA_OWNER` otherwise.
 */
export function openDatabase(settings: ConnectionSettings, schema: string): Database {
  let current = createPool(settings, schema)
  const pool = { connect: () => current.pool.connect(), end: () => current.pool.end() }
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }).withSchema(schema)
  const renew = () => {
    current.cut()
    current = createPool(settings, schema)
  }
  return {
    schema,
    get pool() {
      return current.pool
    },
    kysely,
    our: name => sql.id(schema, name),
    renew,
    close: () => kysely.destroy(),
  }
}

function createPool(settings: ConnectionSettings, schema: string) {
  const config = {
    ...clientConfig(settings),
    Client: PooledClient,
    max: 3,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    onConnect: async (client: ClientBase) => {
      await settleOwnSession(client, settings)
      await assertSchemaTrusted(client, { schema, schemaOwner: settings.schemaOwner })
    },
  }
  const pool = wellFormed(() => new pg.Pool(config))
  const clients = new Set<Client>()
  pool.on('connect', client => {
    clients.add(client)
    client.on('error', () => {}) // while it is lent out the pool does not listen, and an unheard `error` ends the process
  })
  pool.on('remove', client => clients.delete(client))
  pool.on('error', () => {}) // an idle connection that breaks is replaced; a query that breaks rejects on its own
  const cut = () => {
    pool.end().catch(() => {})
    for (const client of clients) cutClient(client)
  }
  return { pool, cut }
}

/** Not connected yet. Throws `E_CONNECT` when the connection string cannot be read. */
export function createClient(settings: ConnectionSettings): Client {
  const config = clientConfig(settings)
  return wellFormed(() => new pg.Client(config))
}

/** Where a connection would go, in words and without any secret. Throws `E_CONNECT` for a URL that cannot be read. */
export function describeAddress(address: ServerAddress): string {
  const { database, host, port } = createClient({ ...address, applicationName: '' })
  return `database ${database} on ${host}:${port}`
}

/** pg throws when it cannot read the connection string. */
function wellFormed<T>(create: () => T): T {
  try {
    return create()
  } catch {
    throw malformed()
  }
}

/** That of a pool, which passes on what connecting throws. */
class PooledClient extends pg.Client {
  override connect(): Promise<Client>
  override connect(callback: (error: Error) => void): void
  override connect(callback?: (error: Error) => void): Promise<Client> | undefined {
    const connected = super.connect().catch(error => {
      throw connectError(error)
    })
    if (!callback) return connected
    connected.then(() => callback(undefined as never), callback)
    return undefined
  }
}

/** Turns what pg throws when connecting into an error that says what to mend. */
export function connectError(cause: unknown): ChangefeedError {
  if (cause instanceof ChangefeedError) return cause
  const remedy = REMEDIES[sqlstateOf(cause) ?? socketCode(cause) ?? ''] ?? 'See the cause.'
  const reason = cause instanceof Error && cause.message ? cause.message : String(socketCode(cause) ?? cause)
  return new ChangefeedError('E_CONNECT', `Cannot connect to Postgres: ${reason}. ${remedy}`, { cause })
}

const socketCode = (error: unknown) =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

const REMEDIES: Record<string, string> = {
  ECONNREFUSED: 'Is the server running, and are host and port of the connection string right?',
  ENOTFOUND: 'The host name of the connection string does not resolve.',
  ETIMEDOUT: 'The server does not answer: check host, port and firewall.',
  [SQLSTATE.invalidPassword]:
    'Check user and password of the connection string; in a URL, special characters of a password are percent-encoded.',
  [SQLSTATE.invalidAuthorization]: 'Check user, database and pg_hba.conf.',
  [SQLSTATE.invalidCatalogName]: 'Create that database, or name an existing one in the connection string.',
  [SQLSTATE.tooManyConnections]: 'Raise max_connections, or free connections.',
}
