import { setTimeout as sleep } from 'node:timers/promises'
import { Kysely, Migrator, PostgresAdapter, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import type pg from 'pg'
import { migrationsFor } from '../../migrations/index.ts'
import { ChangefeedError } from '../errors.ts'
import { type ConnectionSettings, configureOwnSession, connectError, createClient } from './connect.ts'
import { listenerGrants, ownObjects, revokeForeignRights } from './foreign-rights.ts'
import { LOCK_ATTEMPT_MS, LOCK_PAUSE_MS, lockInstallation } from './installation-lock.ts'
import type { Queryable } from './queryable.ts'
import { qualify, quoteName } from './quote.ts'
import { assertSchemaTrusted, type SchemaRef } from './schema-trust.ts'
import { SQLSTATE, sqlstateOf } from './sqlstate.ts'

const MIGRATION_TABLE = 'migration'
/** Since this migration, new objects are closed to other roles. Default privileges may have opened earlier ones. */
const CLOSED_SINCE = '0004_lease-term'
/** How long to wait for a concurrent migration, and for locks on our tables. */
const LOCK_WAIT_MS = 30_000

/**
 * Creates our schema or migrates it, in one transaction. Safe to run concurrently; only reads when the schema is up to
 * date. Returns the names of the migrations that it ran.
 *
 * Throws `E_PRIVILEGE` if the role may not create the schema, `E_VERSION` if the schema is newer than this package,
 * `E_SCHEMA_OWNER` if an object in it belongs to an untrusted role, `E_LOCKED` if its tables stay locked.
 */
export async function migrateSchema(settings: ConnectionSettings, schema: string): Promise<string[]> {
  return await withClient({ ...settings, queryTimeoutMs: 0 }, async client => {
    const { schemaOwner } = settings
    if ((await pendingMigrations(client, { schema, schemaOwner })).length === 0) return []
    const deadline = Date.now() + LOCK_WAIT_MS
    for (;;) {
      try {
        return await inTransaction(client, () => migrate(client, schema, schemaOwner))
      } catch (error) {
        if (!isRace(error)) throw migrationError(error, schema)
        if (Date.now() >= deadline) throw lockedError(error, schema)
      }
      await sleep(LOCK_PAUSE_MS)
    }
  })
}

/**
 * Names the migrations that the schema lacks; all of them if it does not exist. Reads only. Throws `E_SCHEMA_OWNER`,
 * and `E_VERSION` if the schema has a migration that this package does not know.
 */
export async function pendingMigrations(client: Queryable, ref: SchemaRef): Promise<string[]> {
  const { schema } = ref
  const known = Object.keys(migrationsFor(schema))
  const done = (await assertSchemaTrusted(client, ref)) ? await appliedMigrations(client, schema) : []
  const unknown = done.find(name => !known.includes(name))
  if (unknown !== undefined) {
    throw new ChangefeedError(
      'E_VERSION',
      `The schema "${schema}" was migrated by a newer version of waterline-changefeed (migration ${unknown}), which this version cannot read. Update the package and restart.`,
    )
  }
  return known.filter(name => !done.includes(name))
}

async function appliedMigrations(client: Queryable, schema: string): Promise<string[]> {
  const table = qualify(schema, MIGRATION_TABLE)
  try {
    const { rows } = await client.query<{ name: string }>(`select name from ${table} order by name`)
    return rows.map(row => row.name)
  } catch (error) {
    if (sqlstateOf(error) === SQLSTATE.undefinedTable) return []
    throw sqlstateOf(error) === SQLSTATE.insufficientPrivilege ? await unreadable(client, schema, error) : error
  }
}

async function unreadable(client: Queryable, schema: string, cause: unknown): Promise<ChangefeedError> {
  const { rows } = await client.query<{ role: string }>('select current_user::text as role')
  const role = rows[0]?.role ?? ''
  return new ChangefeedError(
    'E_PRIVILEGE',
    `The role "${role}" may not read the schema "${schema}": ${(cause as Error).message}. Connect as the role that installed it, or grant it the privileges of a listener: ${listenerGrants(schema, role).join('; ')}`,
    { cause },
  )
}

/** Waits only briefly for locks, because the app writes to our tables and queues behind a pending lock request. */
async function migrate(client: pg.Client, schema: string, schemaOwner: string | undefined): Promise<string[]> {
  await client.query("select pg_catalog.set_config('lock_timeout', $1, true)", [String(LOCK_ATTEMPT_MS)])
  await client.query(`create schema if not exists ${quoteName(schema)}`)
  await assertSchemaTrusted(client, { schema, schemaOwner })
  await client.query(`
    create table if not exists ${qualify(schema, MIGRATION_TABLE)} (
      name varchar(255) primary key, timestamp varchar(255) not null
    )`)
  await lockInstallation(client, schema)
  const wasClosed = (await appliedMigrations(client, schema)).includes(CLOSED_SINCE)
  const before = wasClosed ? await ownObjects(client, schema) : new Set<number>()
  const { error, results = [] } = await migratorOf(client, schema).migrateToLatest()
  if (error) throw error
  await revokeForeignRights(client, schema, before)
  return results.map(step => step.migrationName)
}

function migratorOf(client: pg.Client, schema: string): Migrator {
  return new Migrator({
    db: new Kysely<unknown>({ dialect: new OurDialect({ pool: poolOf(client) }) }),
    provider: { getMigrations: async () => migrationsFor(schema) },
    migrationTableSchema: schema,
    migrationTableName: MIGRATION_TABLE,
    migrationLockTableName: 'migration_lock',
    disableTransactions: true, // the caller has opened one
  })
}

/**
 * Disables Kysely's advisory lock, which any role that may connect can hold indefinitely. Our own lock is taken before.
 */
class OurDialect extends PostgresDialect {
  override createAdapter() {
    return new UnlockedAdapter()
  }
}

class UnlockedAdapter extends PostgresAdapter {
  override async acquireMigrationLock() {}
  override async releaseMigrationLock() {}
}

/** Kysely requires a pool. The transaction belongs to one connection, so the pool holds only that one. */
const poolOf = (client: pg.Client): PostgresPool => ({
  connect: async () => ({ query: client.query.bind(client) as PostgresPoolClient['query'], release() {} }),
  end: async () => {},
})

async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => {}) // a lost connection has already rolled back
    throw error
  }
}

async function withClient<T>(settings: ConnectionSettings, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = createClient(settings)
  client.on('error', () => {})
  try {
    await client.connect()
    await configureOwnSession(client, settings)
  } catch (error) {
    throw connectError(error)
  }
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

const RACES: ReadonlySet<string | undefined> = new Set([
  SQLSTATE.lockNotAvailable,
  SQLSTATE.uniqueViolation, // `if not exists` does not wait for a concurrent creation of the same object
  SQLSTATE.duplicateSchema,
  SQLSTATE.duplicateTable,
])

const isRace = (error: unknown) => RACES.has(sqlstateOf(error))

const lockedError = (cause: unknown, schema: string) =>
  new ChangefeedError(
    'E_LOCKED',
    `The schema "${schema}" was not changed: another session locked its tables, or was creating it, for ${LOCK_WAIT_MS / 1000} s (${(cause as Error).message}). Find the session in pg_catalog.pg_locks, and try again when it has ended.`,
    { cause },
  )

function migrationError(cause: unknown, schema: string): unknown {
  if (sqlstateOf(cause) !== SQLSTATE.insufficientPrivilege) return cause
  return new ChangefeedError(
    'E_PRIVILEGE',
    `The role may not create the schema "${schema}": ${(cause as Error).message}. Install as the owner of the database, or run: grant create on database ... to ...`,
    { cause },
  )
}
