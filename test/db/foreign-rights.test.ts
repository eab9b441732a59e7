import { expect, test } from 'vitest'
import { foreignRights, listenerGrants, ownObjects, revokeForeignRights } from '../../src/db/foreign-rights.ts'
import { migrateSchema } from '../../src/db/migrate.ts'
import { openShop } from '../feed/fixture.ts'
import { type TestDatabase, testDatabase } from '../helpers/database.ts'

/** As an administrator does who lets a role read whatever is created from now on. */
async function openDefaults(database: TestDatabase) {
  const reader = await database.role()
  for (const objects of ['tables', 'sequences', 'functions', 'schemas']) {
    await database.query(`alter default privileges grant all on ${objects} to ${reader.name}`)
  }
  return reader
}

test('default privileges open nothing of what is installed', async () => {
  const shop = await openShop()
  const reader = await openDefaults(shop.database)
  await shop.feed().install()
  const client = await shop.database.connect()
  expect(await foreignRights(client, 'changefeed')).toEqual([])
  const stranger = await shop.database.connect({ connectionString: reader.connectionString })
  await shop.database.query(`insert into pet (id, name) values (1, 'CANARY')`)
  await expect(stranger.query('select new from changefeed.change')).rejects.toThrow(/permission denied/)
})

test('an update closes what it creates, and leaves the rights that somebody granted', async () => {
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

test('what a version before this one left open is closed by its update', async () => {
  const database = await testDatabase()
  const reader = await openDefaults(database)
  const settings = { connectionString: database.connectionString, applicationName: 'test' }
  await migrateSchema(settings, 'changefeed')
  const client = await database.connect()
  await client.query(`
    grant select on changefeed.change to ${reader.name};
    delete from changefeed.migration where name >= '0004';
    alter table changefeed.lease drop column term, drop column backend_start;
    alter table changefeed.state drop column table_oid;
    do $$ declare slot text; begin
      foreach slot in array string_to_array('0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,default', ',') loop
        execute format('alter table changefeed.tick_%s drop constraint tick_%s_pkey', slot, slot);
      end loop;
    end $$;
    alter table changefeed.tick add primary key (id, slot)`)
  expect(await foreignRights(client, 'changefeed')).not.toEqual([])
  expect(await migrateSchema(settings, 'changefeed')).toEqual(['0004_lease-term', '0005_replication-and-restore'])
  expect(await foreignRights(client, 'changefeed')).toEqual([])
})
