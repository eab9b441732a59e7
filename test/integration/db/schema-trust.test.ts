import { expect, test } from 'vitest'
import { listenerGrants } from '../../../src/db/foreign-rights.ts'
import { migrateSchema, pendingMigrations } from '../../../src/db/migrate.ts'
import { type TestDatabase, testDatabase } from '../../helpers/database.ts'
import { openInstalledShop, openShop } from '../feed/fixture.ts'

const untrusted = (what: RegExp) => ({ code: 'E_SCHEMA_OWNER', message: expect.stringMatching(what) })

/** A role that may create schemas, with a function that makes it a superuser if a superuser calls it. */
async function openSquat(database: TestDatabase) {
  const squatter = await database.role()
  await database.query(`grant create on database ${database.name} to ${squatter.name}`)
  const client = await database.connect({ connectionString: squatter.connectionString })
  await client.query(`create schema changefeed; grant usage, create on schema changefeed to public`)
  await client.query(`
    create function changefeed.trap() returns text language plpgsql as $$
    begin execute 'alter role ${squatter.name} superuser'; return 'x'; exception when others then return 'x'; end $$`)
  const escalated = async () => {
    const rows = await database.query(`select from pg_roles where rolname = '${squatter.name}' and rolsuper`)
    return rows.length > 0
  }
  return { squatter, client, escalated }
}

test('a schema of another role is not used, and the error names its owner', async () => {
  const shop = await openShop()
  const { squatter, client, escalated } = await openSquat(shop.database)
  await client.query(`
    create view changefeed.migration as select changefeed.trap() as name;
    create view changefeed.state as select changefeed.trap() as name;
    create view changefeed.captured_table as select changefeed.trap() as name;
    create view changefeed.change as select changefeed.trap() as name;
    grant select on all tables in schema changefeed to public`)
  const feed = shop.feed()
  const refused = untrusted(new RegExp(`belongs to the role "${squatter.name}"`))
  await expect(feed.plan()).rejects.toMatchObject(refused)
  await expect(feed.install()).rejects.toMatchObject(refused)
  await expect(feed.start()).rejects.toMatchObject(refused)
  await expect(feed.uninstall()).rejects.toMatchObject(refused)
  expect(await escalated()).toBe(false)
})

test.each([
  ['a view', 'create view changefeed.state as select 1 as epoch', /view changefeed.state/],
  ['a table', 'create table changefeed.migration (name text, timestamp text)', /table changefeed.migration/],
  [
    'a function',
    `create function changefeed.slot_of(int) returns int language sql as 'select 1'`,
    /function changefeed/,
  ],
  ['a sequence', 'create sequence changefeed.ids', /sequence changefeed.ids/],
])('%s of another role in our schema is detected before it is used', async (_name, squat, message) => {
  const database = await testDatabase()
  const role = await database.role()
  await database.query(`create schema changefeed; grant create, usage on schema changefeed to ${role.name}`)
  const client = await database.connect({ connectionString: role.connectionString })
  await client.query(squat)
  const settings = { connectionString: database.connectionString, applicationName: 'test' }
  const installer = await database.connect()
  await expect(pendingMigrations(installer, { schema: 'changefeed' })).rejects.toMatchObject(untrusted(message))
  await expect(migrateSchema(settings, 'changefeed')).rejects.toMatchObject(untrusted(message))
})

test('detects triggers, foreign keys, views and row-level security added to our tables', async () => {
  const { database, feed: newFeed } = await openInstalledShop()
  const feed = newFeed()
  const role = await database.role()
  await database.query(`
    create schema attic authorization ${role.name};
    grant usage on schema changefeed to ${role.name};
    grant trigger, references on changefeed.consumer to ${role.name}`)
  const client = await database.connect({ connectionString: role.connectionString })
  const additions: readonly [string, string, RegExp][] = [
    [
      `create function attic.spy() returns trigger language plpgsql as 'begin return new; end';
       create trigger spy before update on changefeed.consumer for each row execute function attic.spy()`,
      'drop trigger spy on changefeed.consumer',
      /trigger spy on table changefeed.consumer belongs to the role/,
    ],
    [
      'create table attic.pin (name text references changefeed.consumer)',
      'drop table attic.pin',
      /foreign key pin_name_fkey/,
    ],
  ]
  for (const [add, remove, message] of additions) {
    await client.query(add)
    await expect(feed.plan(), add).rejects.toMatchObject(untrusted(message))
    await database.query(remove)
  }
  for (const [add, remove, message] of [
    ['create view changefeed.extra as select 1 as one', 'drop view changefeed.extra', /extra is not a table/],
    [
      'alter table changefeed.change enable row level security',
      'alter table changefeed.change disable row level security',
      /row-level security/,
    ],
  ] as const) {
    await database.query(add)
    await expect(feed.plan(), add).rejects.toMatchObject(untrusted(message))
    await database.query(remove)
  }
  await feed.plan()
})

test('trusts the role itself, roles that it is a member of, superusers, and `schemaOwner`', async () => {
  const shop = await openShop()
  const { database } = shop
  const [installer, listener] = [await database.role(), await database.role()]
  await database.query(`grant create on database ${database.name} to ${installer.name}`)
  await database.query(`grant trigger on pet, "user" to ${installer.name}`)
  await shop.feed({ connectionString: installer.connectionString }).install()
  for (const grant of listenerGrants('changefeed', listener.name)) await database.query(grant)
  const own = { connectionString: listener.connectionString }
  const stranger = untrusted(/set `schemaOwner` to it/)
  await expect(shop.feed(own).plan()).rejects.toMatchObject(stranger)
  await expect(shop.feed().plan(), 'a superuser is a member of every role').rejects.toMatchObject(stranger)
  await shop.feed({ schemaOwner: installer.name }).plan()
  const feed = shop.feed({ ...own, schemaOwner: installer.name })
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  expect(shop.published).toHaveLength(1)
  await feed.stop()
  await database.query(`grant ${installer.name} to ${listener.name}`)
  await shop.feed(own).start()
  await database.query(`revoke ${installer.name} from ${listener.name}; alter role ${installer.name} superuser`)
  await shop.feed(own).start()
  await database.query(`alter role ${installer.name} nosuperuser; grant ${installer.name} to ${listener.name}`)
})

test('our queries do not use functions or operators that other roles put into the search path', async () => {
  const shop = await openShop()
  const role = await shop.database.role()
  await shop.database.query(`create schema trap authorization ${role.name}`)
  await shop.database.query(`grant create on schema public to ${role.name}`)
  const client = await shop.database.connect({ connectionString: role.connectionString })
  await client.query(`
    create function trap.times(numeric, integer) returns numeric language plpgsql as
      $$ begin raise exception 'the function of % ran', current_user; end $$;
    create operator public.* (function = trap.times, leftarg = numeric, rightarg = integer)`)
  await shop.database.query('grant usage on schema trap to public')
  const feed = shop.feed()
  await feed.install()
  await feed.start()
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  expect(shop.published).toHaveLength(1)
})
