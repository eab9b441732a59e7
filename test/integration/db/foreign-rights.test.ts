import { Kysely, Migrator, PostgresDialect } from 'kysely'
import pg from 'pg'
import { expect, test } from 'vitest'
import { migrationsFor } from '../../../migrations/index.ts'
import { foreignRights, listenerGrants, ownObjects, revokeForeignRights } from '../../../src/db/foreign-rights.ts'
import { migrateSchema } from '../../../src/db/migrate.ts'
import { type TestDatabase, testDatabase } from '../../helpers/database.ts'
import { openShop } from '../feed/fixture.ts'

/** As an administrator grants a role access to all future objects. */
async function openDefaults(database: TestDatabase) {
  const reader = await database.role()
  for (const objects of ['tables', 'sequences', 'functions', 'schemas']) {
    await database.query(`alter default privileges grant all on ${objects} to ${reader.name}`)
  }
  return reader
}

test('default privileges grant no access to installed objects', async () => {
  const shop = await openShop()
  const reader = await openDefaults(shop.database)
  await shop.feed().install()
  const client = await shop.database.connect()
  expect(await foreignRights(client, 'changefeed')).toEqual([])
  const stranger = await shop.database.connect({ connectionString: reader.connectionString })
  await shop.database.query(`insert into pet (id, name) values (1, 'CANARY')`)
  await expect(stranger.query('select new from changefeed.change')).rejects.toThrow(/permission denied/)
})

test('a migration revokes access to new objects, and keeps grants on existing ones', async () => {
  const database = await testDatabase()
  await migrateSchema({ connectionString: database.connectionString, applicationName: 'test' }, 'changefeed')
  const client = await database.connect()
  const listener = await database.role()
  for (const grant of listenerGrants('changefeed', listener.name)) await client.query(grant)
  const granted = await foreignRights(client, 'changefeed')
  expect(new Set(granted.map(({ role }) => role))).toEqual(new Set([listener.name]))
  await openDefaults(database)
  const before = await ownObjects(client, 'changefeed')
  await client.query(`
    create table changefeed.later (id int);
    create function changefeed.later(int) returns int language sql as 'select 1'`)
  expect((await foreignRights(client, 'changefeed')).length).toBeGreaterThan(granted.length)
  await revokeForeignRights(client, 'changefeed', before)
  expect(await foreignRights(client, 'changefeed')).toEqual(granted)
})

test('a migration revokes access that an earlier version left open', async () => {
  const database = await testDatabase()
  const reader = await openDefaults(database)
  const settings = { connectionString: database.connectionString, applicationName: 'test' }
  await migrateAsVersion010(database)
  const client = await database.connect()
  await client.query(`grant select on changefeed.change to ${reader.name}`)
  expect(await foreignRights(client, 'changefeed')).not.toEqual([])
  expect(await migrateSchema(settings, 'changefeed')).toContain('0004_lease-term')
  expect(await foreignRights(client, 'changefeed')).toEqual([])
})

/** The schema as version 0.1.0 created it. */
async function migrateAsVersion010({ connectionString }: TestDatabase) {
  const pool = new pg.Pool({ connectionString })
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  const first = Object.entries(migrationsFor('changefeed')).filter(([name]) => name < '0004')
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => Object.fromEntries(first) },
    migrationTableSchema: 'changefeed',
    migrationTableName: 'migration',
    migrationLockTableName: 'migration_lock',
  })
  const { error } = await migrator.migrateToLatest().finally(() => db.destroy())
  if (error) throw error
}
