import { beforeEach, expect, test } from 'vitest'
import { gateKey, wakeChannel } from '../../../src/wakeup/channel.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import { eventOf } from '../../helpers/eventually.ts'
import { capture, feedDatabase, logged, loggedChanges, MODE, modelOf, our, SCHEMA } from './feed-schema.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await feedDatabase()
  await database.query('create table "user" (id int primary key, name text, password text)')
})

const user = modelOf('user')

test('logs each write with its old and new row', async () => {
  await capture(database, [user])
  await database.query(`insert into "user" values (1, 'Ann', 'x'), (2, 'Bob', 'y')`)
  await database.query(`update "user" set name = 'Anne' where id = 1`)
  await database.query('delete from "user" where id = 2')
  await database.query('truncate "user"')
  expect(await loggedChanges(database)).toEqual([
    ['I', null, { id: '1', name: 'Ann', password: 'x' }],
    ['I', null, { id: '2', name: 'Bob', password: 'y' }],
    ['U', { id: '1', name: 'Ann', password: 'x' }, { id: '1', name: 'Anne', password: 'x' }],
    ['D', { id: '2', name: 'Bob', password: 'y' }, null],
    ['T', null, null],
  ])
})

test('a change in a savepoint has the id of the top-level transaction; a rolled back one is not logged', async () => {
  await capture(database, [user])
  const client = await database.connect()
  await client.query('begin')
  await client.query(`insert into "user" values (1, 'a')`)
  await client.query('savepoint s')
  await client.query(`insert into "user" values (2, 'b')`)
  await client.query('rollback to s')
  await client.query('savepoint s2')
  await client.query(`insert into "user" values (3, 'c')`)
  const { rows } = await client.query('select pg_current_xact_id()::text as xid')
  await client.query('commit')
  const changes = await logged(database)
  expect(changes.map(change => [change.new?.id, change.xid])).toEqual([
    ['1', rows[0].xid],
    ['3', rows[0].xid],
  ])
})

test('capture uses no additional transaction id', async () => {
  await capture(database, [user])
  const client = await database.connect()
  await client.query('begin')
  await client.query(`insert into "user" select i, 'n', 'p' from generate_series(1, 10) as i`)
  const { rows } = await client.query(
    `select count(*)::int as ids from pg_locks where locktype = 'transactionid' and pid = pg_backend_pid()`,
  )
  expect(rows).toEqual([{ ids: 1 }])
  await client.query('rollback')
})

test('origin and annotations are logged for their transaction only', async () => {
  await capture(database, [user])
  const client = await database.connect()
  await client.query('begin')
  await client.query(`set local changefeed.origin = 'socket 1'`)
  await client.query(`select set_config('changefeed.annotations', '{"why":"O''Brien"}', true)`)
  await client.query(`insert into "user" values (1)`)
  await client.query('commit')
  await client.query(`insert into "user" values (2)`)
  const changes = await logged(database)
  expect(changes.map(({ origin, annotations }) => [origin, annotations])).toEqual([
    ['socket 1', '{"why":"O\'Brien"}'],
    [null, null],
  ])
})

test('a role without privileges on our schema can write', async () => {
  await capture(database, [user])
  const role = await database.role()
  await database.query(`grant all on "user" to ${role.name}`)
  const client = await database.connect({ connectionString: role.connectionString })
  await expect(client.query(`select * from ${our('change')}`)).rejects.toThrow('permission denied for schema')
  await client.query(`insert into "user" values (1, 'a')`)
  await client.query(`update "user" set name = 'b'`)
  await client.query('delete from "user"')
  await client.query('truncate "user"')
  expect((await logged(database)).map(({ op }) => op)).toEqual(['I', 'U', 'D', 'T'])
})

test('session settings neither affect the log nor are changed by it', async () => {
  await database.query('alter table "user" add f float8, add i interval, add r tstzrange')
  await capture(database, [user])
  const write = `insert into "user" values ($1, 'a\\b', null, 1e23/7, '-1 mon +2 days -03:00', '[2020-02-01 10:00+00,)')`
  const plain = await database.connect()
  await plain.query(write, [1])
  const hostile = await database.connect()
  const settings = {
    extra_float_digits: '-5',
    IntervalStyle: 'sql_standard',
    DateStyle: 'SQL, DMY',
    TimeZone: 'Asia/Kolkata',
    standard_conforming_strings: 'off',
    escape_string_warning: 'off',
    search_path: '"$user", pg_temp',
    bytea_output: 'escape',
    quote_all_identifiers: 'on',
    transform_null_equals: 'on',
    plan_cache_mode: 'force_custom_plan',
  }
  for (const [name, value] of Object.entries(settings)) {
    await hostile.query('select set_config($1, $2, false)', [name, value])
  }
  // A function and an operator that a careless trigger would call, and a table that it would write to.
  await hostile.query(`create function pg_temp.nextval(regclass) returns bigint language sql as 'select 1/0::bigint'`)
  await hostile.query('create temp table change (like "public"."user")')
  await hostile.query(write.replace('"user"', 'public."user"').replace('a\\b', 'a\\\\b'), [2])
  const [first, second] = await logged(database)
  expect(second?.new).toEqual({ ...first?.new, id: '2' })
  expect(second?.defect).toBeNull()
  for (const [name, value] of Object.entries(settings)) {
    const { rows } = await hostile.query('select current_setting($1) as value', [name])
    expect(rows[0].value).toBe(value)
  }
})

test('a nested write by a trigger of the app is logged after the write that caused it', async () => {
  await database.query(`
    create function bump() returns trigger language plpgsql as $$ begin
      if new.name not like '%!' then update "user" set name = new.name || '!' where id = new.id; end if;
      return null;
    end $$`)
  await database.query(`create trigger "#first" after insert or update on "user" for each row execute function bump()`)
  await capture(database, [user])
  await database.query(`insert into "user" values (1, 'a')`)
  await database.query(`update "user" set name = 'b'`)
  const names = (await logged(database)).map(change => [change.op, change.old?.name, change.new?.name])
  const [outer, inner] = [
    [
      ['I', undefined, 'a'],
      ['U', 'a', 'a!'],
    ],
    [
      ['U', 'a!', 'b'],
      ['U', 'b', 'b!'],
    ],
  ]
  // Statement triggers fire after all row triggers. The reader restores the order by the images of the rows.
  expect(names).toEqual(
    MODE === 'row'
      ? [...(outer ?? []), ...(inner ?? [])]
      : [...(outer ?? []).toReversed(), ...(inner ?? []).toReversed()],
  )
})

test('logs no-op updates unless the option disables it', async () => {
  await database.query('alter table "user" add doc json')
  await capture(database, [user])
  await database.query(`insert into "user" values (1, 'a', 'p', '{"b": 1}')`)
  await database.query(`update "user" set name = name`)
  expect((await logged(database)).map(({ op }) => op)).toEqual(['I', 'U'])
  await capture(database, [user], { of: { user: { noopUpdates: 'ignore' } } })
  await database.query(`update "user" set name = name, doc = doc`)
  expect(await logged(database)).toHaveLength(2)
  await database.query(`update "user" set doc = '{"b":1}'`)
  await database.query(`update "user" set password = null`)
  await database.query('delete from "user"')
  expect((await logged(database)).map(({ op }) => op)).toEqual(['I', 'U', 'U', 'U', 'D'])
})

test('a transaction notifies a sleeping listener once, and not an active one', async () => {
  await capture(database, [user])
  const listener = await database.connect()
  await listener.query(`listen ${wakeChannel(SCHEMA)}`)
  await listener.query('select pg_advisory_lock($1, $2)', [...gateKey(SCHEMA)])
  const notes: string[] = []
  listener.on('notification', ({ payload = '' }) => notes.push(payload))
  const woken = eventOf(listener, 'notification')
  await database.query(`insert into "user" select i from generate_series(1, 50) as i`)
  await woken
  await listener.query('select pg_advisory_unlock($1, $2)', [...gateKey(SCHEMA)])
  await database.query(`insert into "user" values (0)`)
  await listener.query('select 1') // notifications that were sent come before the answer
  expect(notes).toEqual([''])
})

test('an open transaction that did not notify prevents the listener from sleeping, with or without a savepoint', async () => {
  await capture(database, [user])
  const writer = await database.connect()
  const listener = await database.connect()
  const trySleep = async () =>
    (await listener.query('select pg_try_advisory_lock($1, $2) as asleep', [...gateKey(SCHEMA)])).rows[0].asleep
  await writer.query('begin')
  await writer.query(`insert into "user" values (1)`)
  await writer.query('savepoint s')
  await writer.query(`insert into "user" values (2)`)
  await writer.query('rollback to s')
  expect(await trySleep()).toBe(false)
  await writer.query('commit')
  expect(await trySleep()).toBe(true)
})

test('changefeed.notify = off allows a prepared transaction while the listener sleeps', async () => {
  await capture(database, [user])
  const listener = await database.connect()
  await listener.query('select pg_advisory_lock($1, $2)', [...gateKey(SCHEMA)])
  const client = await database.connect()
  await client.query('set changefeed.notify = off')
  await client.query('begin')
  await client.query(`insert into "user" values (1, 'a')`)
  await client.query(`prepare transaction 'capture test'`)
  expect(await logged(database)).toEqual([])
  await client.query(`commit prepared 'capture test'`)
  expect(await logged(database)).toHaveLength(1)
})

test('neither the gate nor freeing another slot blocks a write', async () => {
  await capture(database, [user])
  const [{ slot } = { slot: 0 }] = await database.query<{ slot: number }>(`select ${our('slot_of')}(now()) as slot`)
  const holder = await database.connect()
  await holder.query('begin')
  await holder.query(`truncate ${our(`change_${(slot + 2) % 4}`)}`)
  await holder.query('select pg_advisory_xact_lock($1, $2)', [...gateKey(SCHEMA)])
  const writer = await database.connect()
  await writer.query(`set statement_timeout = '5s'`)
  await writer.query(`insert into "user" values (1, 'a')`)
  await writer.query(`update "user" set name = 'b'`)
  await writer.query('truncate "user"')
  await holder.query('rollback')
  expect(await logged(database)).toHaveLength(3)
})

test('a row without a slot is stored in the default partition', async () => {
  await capture(database, [user])
  for (let slot = 0; slot < 4; slot++) await database.query(`drop table ${our(`change_${slot}`)}`)
  await database.query(`insert into "user" values (1, 'a')`)
  expect(await logged(database)).toHaveLength(1)
})

test('session_replication_role = replica bypasses capture unless enableAlways is set', async () => {
  await capture(database, [user])
  const client = await database.connect()
  await client.query('set session_replication_role = replica')
  await client.query(`insert into "user" values (1)`)
  expect(await logged(database)).toEqual([])
  const plan = await capture(database, [user], { enableAlways: true })
  expect(plan.steps.map(({ action }) => action)).toEqual(['replace'])
  await client.query(`insert into "user" values (2)`)
  await client.query('truncate "user"')
  expect((await logged(database)).map(({ op }) => op)).toEqual(['I', 'T'])
  expect((await capture(database, [user], { enableAlways: true })).steps[0]?.action).toBe('keep')
})

test.each([
  ['int', '7'],
  ['bigint', '9007199254740993'],
  ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['text', `it's "1"`],
  ['citext', 'Key'],
  ['date', '2020-01-01'],
  ['bytea', '\\x00ff'],
  ['bool', 't'],
  ['interval', '1 mon'],
  ['int4[]', '{1,2}'],
  ['jsonb', '{"a": 1}'],
])('a primary key of type %s', async (type, value) => {
  await database.query('create extension citext')
  await database.query(`create table keyed (id ${type} primary key, name text)`)
  const { warnings } = await capture(database, [modelOf('keyed', { columns: { id: 'id' } })])
  const isId = ['int', 'bigint', 'uuid', 'text', 'citext'].includes(type)
  expect(warnings).toEqual(isId ? [] : [expect.stringContaining('neither text nor a number')])
  await database.query('insert into keyed values ($1)', [value])
  await database.query(`update keyed set name = 'n' where id = $1`, [value])
  await database.query('delete from keyed where id = $1', [value])
  expect(await loggedChanges(database)).toEqual([
    ['I', null, { id: value, name: null }],
    ['U', { id: value, name: null }, { id: value, name: 'n' }],
    ['D', { id: value, name: 'n' }, null],
  ])
})

test('a changed primary key, upserts and COPY-like bulk writes are logged', async () => {
  await capture(database, [user])
  await database.query(`insert into "user" values (1, 'a') on conflict (id) do update set name = 'never'`)
  await database.query(`insert into "user" values (1, 'b') on conflict (id) do update set name = excluded.name`)
  await database.query(`insert into "user" values (1, 'c') on conflict do nothing`)
  await database.query('update "user" set id = 2')
  expect((await logged(database)).map(change => [change.op, change.old?.id, change.new?.id])).toEqual([
    ['I', undefined, '1'],
    ['U', '1', '1'],
    ...(MODE === 'row'
      ? [['U', '1', '2']]
      : [
          ['D', '1', undefined],
          ['I', undefined, '2'],
        ]),
  ])
})

test('a table with generated columns is captured with either setting of noopUpdates', async ({ skip }) => {
  const [server] = await database.query<{ version: number }>(
    `select current_setting('server_version_num')::int as version`,
  )
  if ((server?.version ?? 0) < 180_000) skip('virtual generated columns came with PostgreSQL 18')
  await database.query(`
    alter table "user"
      add upper_name text generated always as (upper(name)) stored,
      add lower_name text generated always as (lower(name)) virtual`)
  for (const noopUpdates of ['publish', 'ignore'] as const) {
    await capture(database, [user], { noopUpdates })
    await database.query(`insert into "user" (id, name) values (1, 'Ann')`)
    await database.query(`update "user" set name = 'Bob'`)
    await database.query(`update "user" set name = name`)
    await database.query('delete from "user"')
  }
  const changes = await logged(database)
  expect(changes.map(({ op }) => op)).toEqual(['I', 'U', 'U', 'D', 'I', 'U', 'D'])
  expect(changes[1]?.new).toEqual({ id: '1', name: 'Bob', password: null, upper_name: 'BOB' })
})

test('lastval() of the app is not affected by capture', async () => {
  await database.query('create table counted (id serial primary key)')
  await capture(database, [modelOf('counted', { columns: { id: 'id' } })])
  await database.query('alter sequence counted_id_seq restart 4711')
  const client = await database.connect()
  await client.query('insert into counted default values')
  expect((await client.query('select lastval()')).rows).toEqual([{ lastval: '4711' }])
})

test('concurrent writers never log two changes at the same position', async () => {
  await capture(database, [user])
  const writers = await Promise.all(Array.from({ length: 8 }, () => database.connect()))
  await Promise.all(
    writers.map((writer, index) =>
      writer.query(`insert into "user" select i from generate_series(${index * 1000}, ${index * 1000 + 999}) as i`),
    ),
  )
  expect(await database.query(`select count(distinct seq)::int as places from ${our('change')}`)).toEqual([
    { places: 8000 },
  ])
})
