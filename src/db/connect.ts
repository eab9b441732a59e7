import type { ConnectionOptions } from 'node:tls'
import { Kysely, PostgresDialect, type RawBuilder, sql } from 'kysely'
import pg, { type ClientBase } from 'pg'
import { ChangefeedError } from '../errors.ts'
import { DeadlineClient, QUERY_TIMEOUT_MS } from './deadline-client.ts'
import { assertDedicatedSession, type Probe } from './pooler.ts'
import { assertSchemaTrusted } from './schema-trust.ts'
import { assertReadable, malformed } from './server-url.ts'
import { configureSession, ownTypes } from './session-settings.ts'
import { SQLSTATE, sqlstateOf } from './sqlstate.ts'
import type { Tables } from './tables.ts'

export type { Queryable } from './queryable.ts'
export type Client = pg.Client
export type Pool = pg.Pool

/**
 * node-postgres' registry of parsers (`pg.types`). Looked up for every value, since an app may change it at any time.
 */
export interface TypeParsers {
  getTypeParser(oid: number): (text: string) => unknown
}

/** The parsers of this package's copy of node-postgres. */
export const typeParsers: TypeParsers = pg.types

/** Address of a database, as a URL or in parts. Parts need no encoding, and `ssl` may be an object. */
export type ServerAddress = { readonly connectionString: string } | AddressParts

export interface AddressParts {
  /** A host name, an IP address, or the directory of a Unix socket. */
  readonly host: string
  readonly port?: number
  readonly user?: string
  readonly password?: string
  readonly database?: string
  /** As in node-postgres: true, or options of `tls.connect()` such as `{ ca, rejectUnauthorized }`. */
  readonly ssl?: boolean | ConnectionOptions
}

export type ConnectionSettings = ServerAddress & {
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  /** A role that may own our schema in addition to those that are always trusted; see {@link assertSchemaTrusted}. */
  readonly schemaOwner?: string | undefined
  /** A query without a response after this time fails. Default 30,000 ms; 0 for a session that may wait for a lock. */
  readonly queryTimeoutMs?: number
}

const CONNECT_TIMEOUT_MS = 10_000
const KEEP_ALIVE_AFTER_MS = 10_000

/** Settings of every connection, including those of pg-listen, without the deadline of queries. */
export function clientConfig(settings: ConnectionSettings) {
  const { applicationName, schemaOwner: _, queryTimeoutMs: __, ...address } = settings
  if ('connectionString' in address) assertReadable(address.connectionString)
  return {
    ...(address as pg.ClientConfig),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    types: ownTypes,
  } satisfies pg.ClientConfig
}

/**
 * Opens one dedicated connection. `onLost` is called once when it ends, whatever the cause; without a listener, an
 * `error` event would end the process. An abort of the signal cuts it. Throws `E_CONNECT` with the cause but never the
 * connection string, and `E_POOLER`.
 */
export async function connectClient(
  settings: ConnectionSettings,
  onLost: (error: Error) => void,
  signal?: AbortSignal,
): Promise<DeadlineClient> {
  signal?.throwIfAborted()
  const client = createClient(settings)
  const cut = () => client.cut()
  signal?.addEventListener('abort', cut)
  let lost = false
  const lose = (error: Error) => {
    if (!lost) onLost(error)
    lost = true
  }
  client.on('error', lose)
  client.on('end', () => {
    signal?.removeEventListener('abort', cut)
    lose(new Error('The connection to Postgres ended.'))
  })
  try {
    await client.connect()
    await configureOwnSession(client, settings)
    return client
  } catch (error) {
    lost = true
    await client.end().catch(() => {})
    throw connectError(error)
  }
}

/**
 * Configures a new connection; must run before any other statement. A pooler reports a process id of its own. In that
 * case nothing is set until the session is known to be exclusive: in transaction mode, the app would run with our
 * settings. Throws `E_POOLER`.
 */
export async function configureOwnSession(client: ClientBase, settings: ConnectionSettings): Promise<void> {
  const { processID } = client as ClientBase & { readonly processID: number | null }
  if (await configureSession(client, processID)) return
  await assertDedicatedSession(client, () => connectProbe(settings))
  await configureSession(client)
}

const PROBE_TIMEOUT_MS = 3_000

async function connectProbe(settings: ConnectionSettings): Promise<Probe> {
  const client = createClient({ ...settings, queryTimeoutMs: PROBE_TIMEOUT_MS })
  client.on('error', () => {})
  await client.connect()
  return { client, close: () => client.end() }
}

export interface Database {
  /** Name of our schema, unquoted. */
  readonly schema: string
  readonly pool: Pool
  /** Query builder for our own schema. */
  readonly kysely: Kysely<Tables>
  /** The qualified name of one of our tables or functions, for raw SQL, to which Kysely does not apply the schema. */
  our(name: string): RawBuilder<unknown>
  /** Destroys the connections, which may hang. Their queries reject, and later ones connect again. */
  renew(): void
  close(): Promise<void>
}

/**
 * Opens a small pool for everything outside the hot path. It connects lazily and replaces lost idle connections. Before
 * a connection is used, our schema is verified; queries throw `E_SCHEMA_OWNER` otherwise.
 */
export function openDatabase(settings: ConnectionSettings, schema: string): Database {
  const clients = new Set<DeadlineClient>()
  const pool = createPool(settings, schema, clients)
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }).withSchema(schema)
  return {
    schema,
    pool,
    kysely,
    our: name => sql.id(schema, name),
    renew: () => {
      for (const client of clients) client.cut()
    },
    close: () => kysely.destroy(),
  }
}

/** The clients of the pool are in `clients` while they connect, and until they end. */
function createPool(settings: ConnectionSettings, schema: string, clients: Set<DeadlineClient>): Pool {
  class PooledClient extends DeadlineClient {
    constructor(config: pg.ClientConfig = {}) {
      super(config, timeoutOf(settings))
      clients.add(this)
      this.once('end', () => clients.delete(this))
      this.on('error', () => {}) // the pool has no listener on a checked-out client, and an unhandled `error` ends the process
    }

    /** Rethrows what connecting throws. */
    override connect(): Promise<pg.Client>
    override connect(callback: (error: Error) => void): void
    override connect(callback?: (error: Error) => void): Promise<pg.Client> | undefined {
      const connected = super.connect().catch(error => {
        throw connectError(error)
      })
      if (!callback) return connected
      connected.then(() => callback(undefined as never), callback)
      return undefined
    }
  }
  const config = {
    ...clientConfig(settings),
    Client: PooledClient,
    max: 3,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    onConnect: async (client: ClientBase) => {
      await configureOwnSession(client, settings)
      await assertSchemaTrusted(client, { schema, schemaOwner: settings.schemaOwner })
    },
  }
  const pool = wellFormed(() => new pg.Pool(config))
  pool.on('error', () => {}) // the pool replaces a broken idle connection; a failed query rejects by itself
  return pool
}

/** Creates a client that is not connected yet. Throws `E_CONNECT` when the connection string cannot be parsed. */
export function createClient(settings: ConnectionSettings): DeadlineClient {
  const config = clientConfig(settings)
  return wellFormed(() => new DeadlineClient(config, timeoutOf(settings)))
}

const timeoutOf = ({ queryTimeoutMs = QUERY_TIMEOUT_MS }: ConnectionSettings) => queryTimeoutMs

/** Describes the address without any secret. Throws `E_CONNECT` for a URL that cannot be parsed. */
export function describeAddress(address: ServerAddress): string {
  const { database, host, port } = createClient({ ...address, applicationName: '' })
  return `database ${database} on ${host}:${port}`
}

/** pg throws when it cannot parse the connection string. */
function wellFormed<T>(create: () => T): T {
  try {
    return create()
  } catch {
    throw malformed()
  }
}

/** Converts an error of connecting into one that includes the remedy. */
export function connectError(cause: unknown): ChangefeedError {
  if (cause instanceof ChangefeedError) return cause
  const remedy = REMEDIES[sqlstateOf(cause) ?? socketCode(cause) ?? ''] ?? 'See the cause.'
  const reason = cause instanceof Error && cause.message ? cause.message : String(socketCode(cause) ?? cause)
  return new ChangefeedError('E_CONNECT', `Cannot connect to Postgres: ${reason}. ${remedy}`, { cause })
}

const socketCode = (error: unknown) =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

const REMEDIES: Record<string, string> = {
  ECONNREFUSED: 'Check that the server is running, and the host and port of the connection string.',
  ENOTFOUND: 'The host name cannot be resolved: check the connection string.',
  ETIMEDOUT: 'The server does not respond: check host, port and firewall.',
  [SQLSTATE.invalidPassword]:
    'Check the user and the password of the connection string. In a URL, percent-encode special characters of the password.',
  [SQLSTATE.invalidAuthorization]: 'Check user, database and pg_hba.conf.',
  [SQLSTATE.invalidCatalogName]: 'Create that database, or name an existing one in the connection string.',
  [SQLSTATE.tooManyConnections]: 'Raise max_connections, or free connections.',
}
