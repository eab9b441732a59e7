import { Kysely, Migrator, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import pg from 'pg'
import { migrationsFor } from '../../migrations/index.ts'
import { ChangefeedError } from '../errors.ts'
import { type ConnectionSettings, clientConfig, connectError } from './connect.ts'
import { qualify } from './quote.ts'
import { settleSession } from './session-settings.ts'
import { SQLSTATE, sqlstateOf } from './sqlstate.ts'

/** Session lock that lets one process at a time create or change a schema of ours. */
const MIGRATION_LOCK = 0x57_4c_00_00

/**
 * Creates our schema or brings it up to date. Safe when many processes do it at once, and a plain read when there is
 * nothing to do. Returns the names of the steps that it ran.
 *
 * Throws `E_PRIVILEGE` when the role may not create the schema, `E_VERSION` when the schema is newer than this package.
 */
export async function migrateSchema(settings: ConnectionSettings, schema: string): Promise<string[]> {
  if ((await pendingMigrations(settings, schema)).length === 0) return []
  return await withMigrator(settings, schema, async (migrator, db) => {
    await db.query('select pg_catalog.pg_advisory_lock($1, 0)', [MIGRATION_LOCK])
    const { error, results } = await migrator.migrateToLatest()
    if (error) throw migrationError(error, schema)
    return (results ?? []).map(step => step.migrationName)
  })
}

/**
 * The steps that our schema still lacks, by name; all of them where it does not exist. Reads only.
 * Throws `E_VERSION` when the schema holds a step that this package does not know.
 */
export async function pendingMigrations(settings: ConnectionSettings, schema: string): Promise<string[]> {
  const known = Object.keys(migrationsFor(schema))
  const done = await withClient(settings, client => appliedMigrations(client, schema))
  const unknown = done.find(name => !known.includes(name))
  if (unknown !== undefined) {
    throw new ChangefeedError(
      'E_VERSION',
      `The schema "${schema}" was made by a newer waterline-changefeed (it has the migration ${unknown}). Update the package.`,
    )
  }
  return known.filter(name => !done.includes(name))
}

async function appliedMigrations(client: pg.Client, schema: string): Promise<string[]> {
  const table = qualify(schema, MIGRATION_TABLE)
  try {
    const { rows } = await client.query<{ name: string }>(`select name from ${table} order by name`)
    return rows.map(row => row.name)
  } catch (error) {
    const state = sqlstateOf(error)
    if (state === SQLSTATE.undefinedTable || state === SQLSTATE.invalidSchemaName) return []
    throw migrationError(error, schema)
  }
}

const MIGRATION_TABLE = 'migration'

type Use<T> = (migrator: Migrator, client: pg.Client) => Promise<T>

function withMigrator<T>(settings: ConnectionSettings, schema: string, use: Use<T>): Promise<T> {
  return withClient({ ...settings, queryTimeoutMs: 0 }, async client => {
    const kysely = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: poolOf(client) }) })
    const migrator = new Migrator({
      db: kysely,
      provider: { getMigrations: async () => migrationsFor(schema) },
      migrationTableSchema: schema,
      migrationTableName: MIGRATION_TABLE,
      migrationLockTableName: 'migration_lock',
    })
    return await use(migrator, client)
  })
}

/** Kysely asks for a pool; the lock lives on one connection, so the pool has just that one. */
const poolOf = (client: pg.Client): PostgresPool => ({
  connect: async () => ({ query: client.query.bind(client) as PostgresPoolClient['query'], release() {} }),
  end: async () => {},
})

async function withClient<T>(settings: ConnectionSettings, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(clientConfig(settings))
  client.on('error', () => {})
  try {
    await client.connect()
    await settleSession(client)
  } catch (error) {
    throw connectError(error)
  }
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

function migrationError(cause: unknown, schema: string): unknown {
  if (sqlstateOf(cause) !== SQLSTATE.insufficientPrivilege) return cause
  return new ChangefeedError(
    'E_PRIVILEGE',
    `The role may not create or read the schema "${schema}": ${(cause as Error).message}. Run the installation as the owner of the database, or grant it: grant create on database ... to ...`,
    { cause },
  )
}
