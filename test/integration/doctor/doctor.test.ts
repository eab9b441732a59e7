import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { examine } from '../../../src/doctor/doctor.ts'
import type { Finding } from '../../../src/doctor/finding.ts'
import { startEmbeddedPostgres } from '../../../src/embedded-postgres/embedded-postgres.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { selectModels } from '../../../src/models/selection.ts'
import { type ChangefeedOptions, parseOptions } from '../../../src/options.ts'
import { pauseModels, resumeModels } from '../../../src/pipeline/pauses.ts'
import { gateKey } from '../../../src/wakeup/channel.ts'
import { testDatabase } from '../../helpers/database.ts'
import { scratchFolder } from '../../helpers/folder.ts'
import { startMutingPooler } from '../../helpers/muting-pooler.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { openInstalledShop, openMigratedShop, openShop, petShop, type Shop } from '../feed/fixture.ts'

/** The findings of doctor, except that no listener runs and that the model `user` has a password. */
async function findings(shop: Shop, options: Partial<ChangefeedOptions> = {}): Promise<Finding[]> {
  const { connectionString } = shop.database
  const settings = parseOptions({ connectionString, collections: shop.collections, ...options })
  const models = selectModels(readModels(settings.collections), settings.models)
  const connection = { ...settings.connection, applicationName: 'doctor' }
  const db = openDatabase(connection, settings.schema)
  afterScope(() => db.close())
  const { findings: all } = await examine(db, settings, models)
  return all.filter(({ check }) => check !== 'leader' && check !== 'secrets')
}

const brief = (found: readonly Finding[]) => found.map(({ check, severity }) => `${severity} ${check}`)

async function repair(shop: Shop, found: readonly Finding[]) {
  for (const { repair } of found) for (const statement of repair?.sql ?? []) await shop.database.query(statement)
}

async function openHealthyShop(options?: Partial<ChangefeedOptions>): Promise<Shop> {
  const shop = await (options ? openMigratedShop() : openInstalledShop())
  if (options) await shop.feed(options).install()
  expect(await findings(shop, options)).toEqual([])
  return shop
}

/** Changes to the database, and the finding that doctor must report and repair. */
const DRIFTS: readonly [string, string, string, RegExp][] = [
  [
    'a trigger was dropped',
    `do $$ declare found record; begin
       for found in select tgname from pg_trigger where tgrelid = 'pet'::regclass and tgname like '!changefeed%' loop
         execute format('drop trigger %I on pet', found.tgname);
       end loop;
     end $$`,
    'error triggers',
    /`pet`.*a trigger is missing/,
  ],
  ['a trigger was disabled', 'alter table pet disable trigger user', 'error triggers', /disabled/],
  [
    'a trigger fires on replicas only',
    `do $$ declare found record; begin
       for found in select tgname from pg_trigger where tgrelid = 'pet'::regclass and tgname like '!changefeed%' loop
         execute format('alter table pet enable replica trigger %I', found.tgname);
       end loop;
     end $$`,
    'error triggers',
    /disabled/,
  ],
  [
    'the trigger function was changed',
    `create or replace function changefeed.capture_1() returns trigger language plpgsql as 'begin return null; end'`,
    'error triggers',
    /function/,
  ],
  [
    'a column was renamed',
    'alter table pet rename column name to called',
    'error triggers, error column',
    /attribute `name`.*"called"/,
  ],
  [
    'a role writes as a replica',
    `do $$ begin execute format('alter role %I in database %I set session_replication_role = replica', current_user, current_database()); end $$`,
    'error replica-role',
    /session_replication_role = replica/,
  ],
]

test.each(DRIFTS)('finds and repairs: %s', async (_name, fault, expected, message) => {
  const shop = await openHealthyShop()
  await shop.database.query(fault)
  const found = await findings(shop)
  expect(brief(found).join(', ')).toBe(expected)
  expect(found.at(-1)?.message).toMatch(message)
  await repair(shop, found.slice(-1)) // the missing column also causes the findings about its triggers
  expect(await findings(shop)).toEqual([])
})

test('finds and repairs a missing index of a large table, and none of a small table', async () => {
  const shop = await openHealthyShop()
  await shop.database.query('insert into pet (id, owner) select n, n from generate_series(1, 999) as n')
  await shop.database.query('analyze pet')
  expect(await findings(shop)).toEqual([])
  await shop.database.query('insert into pet (id, owner) values (1000, 1)')
  await shop.database.query('analyze pet')
  const found = await findings(shop)
  expect(found).toEqual([
    {
      check: 'index',
      severity: 'warning',
      message: expect.stringMatching(
        /`pet`: no index begins with "owner" of "public"."pet", which has about 1000 rows.*`user`/,
      ),
      repair: { sql: ['create index concurrently on "public"."pet" ("owner")'] },
    },
  ])
  await shop.database.query('create index on pet (name, owner); create index on pet (owner) where owner = 1')
  expect(brief(await findings(shop))).toEqual(['warning index'])
  await repair(shop, found)
  expect(await findings(shop)).toEqual([])
})

test('finds and repairs omitted columns that are still logged', async () => {
  const shop = await openHealthyShop()
  const options = { models: { user: { omit: ['password'] } } }
  const found = await findings(shop, options)
  expect(brief(found)).toEqual(['error triggers'])
  await repair(shop, found)
  expect(await findings(shop, options)).toEqual([])
})

test('finds and repairs the capture of a model that is no longer used', async () => {
  const shop = await openHealthyShop()
  const options = { models: ['user'] }
  const found = await findings(shop, options)
  expect(brief(found)).toEqual(['warning surplus'])
  expect(found[0]?.repair).toEqual({ command: 'NODE_ENV=test npx waterline-changefeed install --prune' })
  await shop.feed(options).install({ prune: true })
  expect(await findings(shop, options)).toEqual([])
})

test('warns of uncaptured TRUNCATE of a new partition until capture is installed again', async () => {
  const shop = await openShop()
  await shop.database.query(`drop table pet;
    create table pet (id int not null, name text, owner int, unique (id)) partition by range (id);
    create table pet_low partition of pet for values from (0) to (100)`)
  await shop.feed().install()
  const warned = brief(await findings(shop))
  await shop.database.query('create table pet_high partition of pet for values from (100) to (200)')
  const found = (await findings(shop)).filter(({ severity }) => severity === 'error')
  expect(found.map(({ message }) => message)).toEqual([expect.stringMatching(/missing on "public"."pet_high"/)])
  await repair(shop, found)
  expect(brief(await findings(shop))).toEqual(warned)
})

test('finds a table without a key and a missing table', async () => {
  const shop = await openHealthyShop()
  await shop.database.query('alter table pet drop constraint pet_pkey cascade; alter table pet alter id drop not null')
  await shop.database.query('alter table "user" rename to users')
  const found = (await findings(shop)).filter(({ check }) => check === 'model')
  expect(found.map(({ message }) => message).sort()).toEqual([
    expect.stringMatching(/`pet`.*primary key column "id".*may be null.*alter table "public"."pet"/),
    expect.stringMatching(/`user`.*no table "public"."user"/),
  ])
})

test('finds a schemaName that Waterline ignores and a table in another schema', async () => {
  const shop = await openShop()
  const models = { pet: { ...petShop.pet, meta: { schemaName: 'zoo' } }, user: petShop.user }
  await shop.database.query('create schema zoo; alter table "user" set schema zoo')
  const { collections } = await startWaterline({ connectionString: shop.database.connectionString, models })
  const found = (await findings({ ...shop, collections })).filter(({ check }) => check === 'schema-name')
  expect(found.map(({ severity, message }) => `${severity} ${message}`)).toEqual([
    expect.stringMatching(/^error .*"user" in the schema "zoo".*Set schemaName/),
    expect.stringMatching(/^warning .*'zoo' is ignored/),
  ])
})

test('finds missing capture, and missing privileges to install it', async () => {
  const shop = await openShop()
  const found = await findings(shop)
  expect(brief(found)).toEqual(['error schema', 'error triggers'])
  expect(found[1]?.message).toMatch(/^2 models: not captured yet \(pet, user\); none of their changes are captured/)
  expect(found[0]?.repair?.command).toBe('NODE_ENV=test npx waterline-changefeed install')
  const role = await shop.database.role()
  const refused = await findings(shop, { connectionString: role.connectionString })
  expect(brief(refused).filter(line => line.includes('rights')).length).toBeGreaterThan(0)
})

test('finds a schema of a newer version', async () => {
  const shop = await openHealthyShop()
  await shop.database.query(`insert into changefeed.migration values ('9999_future', now()::text)`)
  expect(brief(await findings(shop))).toEqual(['error version'])
})

test('finds a pooler that shares sessions, because a NOTIFY is not received', async () => {
  const shop = await openHealthyShop()
  const pooler = await startMutingPooler(shop.database.connectionString)
  const found = await findings(shop, { connectionString: pooler.connectionString })
  expect(brief(found)).toEqual(['error pooler'])
})

test('a standby', async () => {
  const dataDir = join(await scratchFolder(), 'data')
  const primary = await startEmbeddedPostgres({ dataDir })
  afterScope(() => primary.stop('immediate'))
  const shop = await openShop(await testDatabase({ server: primary }))
  await shop.feed().install()
  await writeFile(join(dataDir, 'standby.signal'), '')
  await primary.restart()
  expect(brief(await findings(shop))).toEqual(['error standby'])
})

test('finds another retention than configured, a paused model and a backlog', async () => {
  const shop = await openHealthyShop()
  const options = { retentionMs: 60_000, backlogLimitBytes: 1_000 }
  const { connectionString } = shop.database
  const db = openDatabase({ connectionString, applicationName: 'operator' }, 'changefeed')
  afterScope(() => db.close())
  await pauseModels(db, ['pet'])
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await shop.database.query(`update changefeed.change set at = now() - interval '2 minutes'`)
  expect(brief(await findings(shop, options))).toEqual([
    'error lag',
    'error backlog',
    'warning retention',
    'warning paused',
  ])
  await shop.feed(options).install()
  await resumeModels(db, ['pet'])
  const feed = shop.feed(options)
  await feed.start()
  await feed.settled()
  await feed.stop()
  expect(await findings(shop, options)).toEqual([])
})

test('finds and revokes privileges of other roles on our schema', async () => {
  const shop = await openHealthyShop()
  const role = await shop.database.role()
  await shop.database.query(`grant select on all tables in schema changefeed to ${role.name}`)
  await shop.database.query('grant update on changefeed.consumer to public')
  const found = await findings(shop)
  expect(brief(found)).toEqual(['error access', 'warning access'])
  expect(found[1]?.message).toMatch(new RegExp(`role "${role.name}" has the privilege select on table changefeed`))
  await repair(shop, found)
  expect(await findings(shop)).toEqual([])
})

test('finds a publication for all tables and a session that holds the gate', async () => {
  const shop = await openHealthyShop()
  const role = await shop.database.role()
  await shop.database.query('create publication everything for all tables')
  const stranger = await shop.database.connect({ connectionString: role.connectionString })
  await stranger.query('select pg_advisory_lock($1, $2)', [...gateKey('changefeed')])
  const found = await findings(shop)
  expect(brief(found)).toEqual(['warning publication', 'warning gate'])
  expect(found[1]?.message).toMatch(new RegExp(`role "${role.name}"`))
})

test('finds a schema of another role', async () => {
  const shop = await openShop()
  const role = await shop.database.role()
  await shop.database.query(`create schema changefeed authorization ${role.name}`)
  const found = await findings(shop)
  expect(brief(found)).toEqual(['error rights'])
  expect(found[0]?.message).toMatch(new RegExp(`schema changefeed belongs to the role "${role.name}"`))
})
