import { beforeEach, expect, test } from 'vitest'
import { installCapture, readCapturePlan, uninstallCapture } from '../../../src/capture/apply.ts'
import { formatPlan } from '../../../src/capture/format-plan.ts'
import { type TestDatabase, testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import {
  capture,
  captureOptions,
  feedDatabase,
  functionsIn,
  logged,
  MODE,
  modelOf,
  modelsOf,
  our,
  SCHEMA,
  TRIGGERS,
  triggersIn,
} from './feed-schema.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await feedDatabase()
  await database.query('create table "user" (id int primary key, name text, password text)')
  await database.query('create table pet (id int primary key, name text)')
})

const user = modelOf('user')
const pet = modelOf('pet', { columns: { id: 'id', name: 'name' } })
const actions = (plan: { steps: readonly { identity: string; action: string }[] }) =>
  Object.fromEntries(plan.steps.map(({ identity, action }) => [identity, action]))

async function expectNothingInstalled() {
  expect(await triggersIn(database)).toEqual([])
  expect(await functionsIn(database)).toEqual([])
  expect(await database.query(`select * from ${our('captured_table')}`)).toEqual([])
}

test('the plan lists exactly the statements that run, and a second installation has nothing to do', async () => {
  const plan = await readCapturePlan(await database.connect(), modelsOf(user, pet), captureOptions())
  await expectNothingInstalled()
  expect(actions(plan)).toEqual({ user: 'create', pet: 'create' })
  // By hand, as an operator would run it.
  for (const { statements } of plan.steps) for (const statement of statements) await database.query(statement)
  expect(actions(await capture(database, [user, pet]))).toEqual({ user: 'keep', pet: 'keep' })
  await database.query(`insert into "user" values (1); insert into pet values (1)`)
  const rows = await database.query(
    `select identity from ${our('change')} join ${our('captured_table')} on id = table_id order by seq`,
  )
  expect(rows).toEqual([{ identity: 'user' }, { identity: 'pet' }])
})

test('an installation without pending steps takes no lock on the tables', async () => {
  await capture(database, [user])
  const holder = await database.connect()
  await holder.query('begin')
  await holder.query('lock table "user" in access exclusive mode')
  expect(actions(await capture(database, [user]))).toEqual({ user: 'keep' })
})

test('a change of redaction replaces only the function, without a lock on the table', async () => {
  await capture(database, [user])
  const holder = await database.connect()
  await holder.query('begin')
  await holder.query('lock table "user" in access exclusive mode')
  const plan = await capture(database, [user], { of: { user: { omit: ['password'] } } })
  expect(plan.steps).toMatchObject([{ action: 'replace', reason: 'the function differs; recorded definition differs' }])
})

test('capture that no model uses is kept until it is pruned; ids are not reused', async () => {
  await capture(database, [user, pet])
  const plan = await capture(database, [pet])
  expect(actions(plan)).toEqual({ user: 'surplus', pet: 'keep' })
  expect(plan.steps.find(({ identity }) => identity === 'user')).toMatchObject({
    table: '"public"."user"',
    statements: [],
  })
  expect(formatPlan(plan)).toMatch(/^\* user {2}"public"\."user" {2}no model uses it; kept/m)
  expect(actions(await capture(database, [pet], { prune: true }))).toEqual({ user: 'drop', pet: 'keep' })
  expect(actions(await capture(database, [user, pet]))).toEqual({ user: 'create', pet: 'keep' })
  expect(actions(await capture(database, [user], { prune: true }))).toEqual({ user: 'keep', pet: 'drop' })
  await database.query(`insert into "user" values (1); insert into pet values (1)`)
  expect(await logged(database)).toMatchObject([{ table_id: 3, new: { id: '1' } }])
})

test.each([
  ['publishes it', '{1}', 'process 7 on other publishes it'],
  ['does not report what it publishes', null, 'process 7 on other runs an older version'],
])('capture is not pruned while a live node %s', async (_, captured, reason) => {
  await capture(database, [user, pet])
  const node = (seenAt: string) =>
    database.query(
      `insert into ${our('node')} (id, host, pid, role, tick, started_at, seen_at, captured)
       values ('n', 'other', 7, 'leader', 1, now(), ${seenAt}, $1)
       on conflict (id) do update set seen_at = excluded.seen_at`,
      [captured],
    )
  await node('now()')
  const [step] = (await capture(database, [pet], { prune: true })).steps
  expect(step).toMatchObject({ action: 'surplus', identity: 'user', reason: expect.stringContaining(reason) })
  await node(`now() - interval '1 hour'`)
  expect(actions(await capture(database, [pet], { prune: true }))).toEqual({ user: 'drop', pet: 'keep' })
})

const secrets = async () => (await logged(database)).map(change => change.new?.password ?? null)

test('a column omitted by one app stays omitted when another installs without `reveal`', async () => {
  await capture(database, [user], { of: { user: { omit: ['password'] } } })
  const write = () => database.query(`insert into "user" values ((select 1 + count(*) from "user"), 'a', 's3cret')`)
  const other = await capture(database, [user])
  expect([actions(other), other.warnings]).toEqual([
    { user: 'keep' },
    [expect.stringMatching(/^Model `user`: "password" stays omitted from the change log.*--reveal/)],
  ])
  await capture(database, [modelOf('account', { table: 'user' })]) // another model of the same table
  await write()
  expect(await secrets()).toEqual([null, null])
  await database.query('drop table "user"; create table "user" (id int primary key, name text, password text)')
  await capture(database, [user])
  await write()
  expect(await secrets()).toEqual([null, null, null, null])
  const revealed = await capture(database, [user], { reveal: true })
  expect(revealed.warnings).toEqual([expect.stringContaining('"password" was omitted')])
  await write()
  expect((await secrets()).at(-1)).toBe('s3cret')
  expect((await capture(database, [user])).warnings).toEqual([])
})

test('columns that an older version omitted without recording them stay omitted', async () => {
  await capture(database, [user], { of: { user: { omit: ['password'] } } })
  await database.query(`update ${our('captured_table')} set redacted = null`)
  await database.query(`
    create or replace function ${our('capture_1')}() returns trigger language plpgsql security definer as $$ begin
      new."password" := null;
      return null;
    end $$`)
  await capture(database, [user])
  await database.query(`insert into "user" values (1, 'a', 's3cret')`)
  expect(await secrets()).toEqual([null, null]) // the gap of the replaced function, and the row
  expect(await database.query(`select redacted from ${our('captured_table')}`)).toEqual([{ redacted: ['password'] }])
})

/** A trigger for changes of rows. */
const DATA = MODE === 'row' ? 'row' : 'update'

test.each([
  ['a trigger was dropped', `drop trigger %${DATA} on "user"`, 'a trigger is missing on "public"."user"'],
  ['a trigger was disabled', `alter table "user" disable trigger %truncate`, 'is disabled or altered'],
  [
    'a trigger was replaced',
    `drop trigger %${DATA} on "user"; create trigger %${DATA} after insert on "user" for each row execute function %f()`,
    'is disabled or altered',
  ],
  [
    'the function was replaced',
    `create or replace function %f() returns trigger language plpgsql security definer as 'begin return null; end'`,
    'the function differs',
  ],
  ['the function lost its privileges', `alter function %f() security invoker`, 'the function was altered'],
  ['the function lost a setting', `alter function %f() reset search_path`, 'the function was altered'],
  ['the function was dropped', `drop function %f() cascade`, 'the function is missing'],
])('drift is detected and repaired, and a gap is logged: %s', async (_, damage, reason) => {
  await capture(database, [user])
  const [trigger] = (await triggersIn(database)).map(name =>
    name
      .split(' ')
      .at(1)
      ?.replace(/_[a-z]+$/, ''),
  )
  const named = damage
    .replaceAll(/%(row|update|truncate)/g, (_match, kind) => `"${trigger}_${kind}"`)
    .replaceAll('%f', our('capture_1'))
  await database.query(named)
  const [step] = (await capture(database, [user])).steps
  expect([step?.action, step?.tableId]).toEqual(['replace', 1])
  expect(step?.reason).toContain(reason)
  expect(actions(await capture(database, [user]))).toEqual({ user: 'keep' })
  await database.query(`insert into "user" values (1)`)
  await database.query('truncate "user"')
  expect((await logged(database)).map(({ op }) => op)).toEqual(['G', 'I', 'T'])
})

test('a recreated table is captured under a new id, with a gap', async () => {
  await capture(database, [user])
  await database.query('drop table "user"; create table "user" (id int primary key, name text, password text)')
  const plan = await capture(database, [user])
  expect(plan.steps).toMatchObject([
    { action: 'create', tableId: 2, reason: 'its table was dropped and created again' },
  ])
  await database.query(`insert into "user" values (1)`)
  expect(await logged(database)).toMatchObject([
    { op: 'G', table_id: 2 },
    { op: 'I', table_id: 2 },
  ])
  expect(await functionsIn(database)).toEqual(['capture_2'])
})

test('tables may be created in any order and captured one at a time', async () => {
  await capture(database, [pet, user]) // ids follow the models, locks follow the age of the tables
  await database.query('create table late (id int primary key)')
  await capture(database, [pet, user, modelOf('late', { columns: { id: 'id' } })])
  expect(await database.query(`select identity from ${our('captured_table')} order by id`)).toEqual([
    { identity: 'pet' },
    { identity: 'user' },
    { identity: 'late' },
  ])
})

test('renamed tables and schemas stay captured; the capture of a dropped table is removed', async () => {
  await capture(database, [user])
  await database.query('alter table "user" rename to person')
  await database.query('create schema moved')
  await database.query('alter table person set schema moved')
  await database.query('insert into moved.person values (1)')
  expect(await logged(database)).toHaveLength(1)
  const moved = modelOf('user', { table: 'person', schema: 'moved' })
  expect(actions(await capture(database, [moved]))).toEqual({ user: 'keep' })
  await database.query('drop table moved.person')
  const plan = await capture(database, [], { prune: true })
  expect(plan.steps).toMatchObject([{ action: 'drop', table: null }])
  await expectNothingInstalled()
})

test('a model with a new table is captured there; its former table stays captured until it is pruned', async () => {
  await database.query('create table person (id int primary key)')
  await capture(database, [user])
  const person = modelOf('user', { table: 'person', columns: { id: 'id' } })
  const plan = await capture(database, [person])
  expect(plan.steps).toMatchObject([
    {
      action: 'surplus',
      tableId: 1,
      reason: expect.stringMatching(/^the table of the model is "public"\."person" now/),
    },
    {
      action: 'create',
      tableId: 2,
      table: '"public"."person"',
      reason: `the model's table is no longer "public"."user"`,
    },
  ])
  expect((await capture(database, [person], { prune: true })).steps).toMatchObject([
    { action: 'drop', tableId: 1 },
    { action: 'keep', tableId: 2 },
  ])
  await database.query('insert into "user" values (1); insert into person values (2)')
  expect(await logged(database)).toMatchObject([{ op: 'G' }, { table_id: 2, new: { id: '2' } }])
})

test('two models of one table are captured with separate redaction', async () => {
  const account = modelOf('account', { table: 'user' })
  await capture(database, [user, account], { of: { user: { omit: ['password'] } } })
  await database.query(`insert into "user" values (1, 'a', 'p')`)
  expect((await logged(database)).map(change => change.new?.password)).toEqual([undefined, 'p'])
})

test('names may contain any character', async () => {
  const schema = `Sch'ema "x" \\ $body$`
  const table = `Ta"ble 'é' ${'x'.repeat(48)}`
  const key = `I"d '\\ %s`
  await database.query(`create schema ${quoted(schema)}`)
  await database.query(
    `create table ${quoted(schema)}.${quoted(table)} (${quoted(key)} text primary key, "se""cret" text)`,
  )
  const model = modelOf('odd', { schema, table, columns: { id: key, secret: 'se"cret' } })
  const options = { of: { odd: { omit: ['secret'] } }, noopUpdates: 'ignore', originTag: true } as const
  await capture(database, [model], options)
  await database.query(`insert into ${quoted(schema)}.${quoted(table)} values ('1', 's')`)
  await database.query(`truncate ${quoted(schema)}.${quoted(table)}`)
  expect(await logged(database)).toMatchObject([{ new: { [key]: '1' }, defect: null }, { op: 'T' }])
  expect(actions(await capture(database, [model], options))).toEqual({ odd: 'keep' })
  await capture(database, [], { ...options, prune: true })
  await expectNothingInstalled()
})

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

test.each([
  ['a missing table', `drop table "user"`, 'E_MODEL', 'there is no table "public"."user"'],
  ['a view', `alter table "user" rename to t; create view "user" as select * from t`, 'E_MODEL', 'is a view'],
  ['a missing key', `alter table "user" drop id`, 'E_MODEL', '"id" of "public"."user" does not exist'],
  [
    'a nullable key',
    `alter table "user" drop constraint user_pkey, alter id drop not null, add unique (id)`,
    'E_MODEL',
    'may be null',
  ],
  ['a key that is not unique', `alter table "user" drop constraint user_pkey`, 'E_MODEL', 'is not unique'],
  [
    'a composite key',
    `alter table "user" drop constraint user_pkey, add primary key (id, name)`,
    'E_MODEL',
    'is not unique',
  ],
  [
    'a partial unique key',
    `alter table "user" drop constraint user_pkey; create unique index on "user" (id) where id > 0`,
    'E_MODEL',
    'is not unique',
  ],
  ['a missing redacted column', `alter table "user" drop password`, 'E_MODEL', 'no column "password"'],
])('refuses %s and installs nothing', async (_, damage, code, message) => {
  await database.query(damage)
  const installing = capture(database, [user, pet], { of: { user: { omit: ['password'] } } })
  await expect(installing).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  await expectNothingInstalled()
})

test.each([
  ['an unknown attribute', { of: { user: { omit: ['passwort'] } } }, 'E_OPTIONS', 'passwort'],
  ['an omitted key', { of: { user: { omit: ['id'] } } }, 'E_OPTIONS', 'primary key'],
])('refuses options: %s', async (_, options, code, message) => {
  await expect(capture(database, [user, pet], options)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  })
  await expectNothingInstalled()
})

test('an encrypted primary key is refused', async () => {
  await expect(capture(database, [modelOf('user', { encrypt: ['id'] })])).rejects.toMatchObject({ code: 'E_MODEL' })
})

test('without our schema a plan can be made, and installing reports what is missing', async () => {
  const bare = await testDatabase()
  await bare.query('create table "user" (id int primary key)')
  const model = modelOf('user', { columns: { id: 'id' } })
  const plan = await readCapturePlan(await bare.connect(), modelsOf(model), captureOptions())
  expect([actions(plan), plan.problems]).toEqual([{ user: 'create' }, []])
  await expect(capture(bare, [model])).rejects.toMatchObject({ code: 'E_NOT_INSTALLED' })
  await uninstallCapture(await bare.connect(), { schema: SCHEMA })
})

test('missing privileges are named: on our schema, to create triggers, to drop triggers', async () => {
  const { name, connectionString } = await database.role()
  const client = await database.connect({ connectionString })
  const install = (options = {}) => installCapture(client, modelsOf(user), captureOptions(options))
  const refusal = (message: string) => ({ code: 'E_PRIVILEGE', message: expect.stringContaining(message) })
  await expect(install()).rejects.toMatchObject(refusal('create on schema "Odd ""Sch"'))
  await database.query(`grant all on schema ${quoted(SCHEMA)} to ${name}`)
  await database.query(`grant all on all tables in schema ${quoted(SCHEMA)} to ${name}`)
  await expect(install()).rejects.toMatchObject(refusal('update on sequence'))
  await database.query(`grant all on all sequences in schema ${quoted(SCHEMA)} to ${name}`)
  await expect(install()).rejects.toMatchObject(refusal('grant trigger on table "public"."user"'))
  await expectNothingInstalled()
  await database.query(`grant trigger on "user" to ${name}`)
  await install()
  await database.query(`insert into "user" values (1)`)
  expect(await logged(database)).toHaveLength(1)
  const other = MODE === 'row' ? 'statement' : 'row'
  await expect(install({ capture: other })).rejects.toMatchObject(refusal('only the owner'))
  await expect(uninstallCapture(client, { schema: SCHEMA })).rejects.toMatchObject(refusal('only the owner'))
  expect(await triggersIn(database)).toHaveLength(TRIGGERS)
})

test('gives up on a locked table at the timeout and leaves nothing behind', async () => {
  const holder = await database.connect()
  await holder.query('begin')
  await holder.query('insert into pet values (1)')
  const installing = installCapture(await database.connect(), modelsOf(user, pet), {
    ...captureOptions(),
    lockTimeoutMs: 400,
  })
  await expect(installing).rejects.toMatchObject({
    code: 'E_LOCKED',
    message: expect.stringContaining('"public"."pet"'),
  })
  await expectNothingInstalled()
  await holder.query('commit')
})

test('an installation waiting for a lock neither blocks writers for long nor causes deadlocks', async () => {
  const holder = await database.connect()
  await holder.query('begin')
  await holder.query('insert into pet values (1)')
  const installing = capture(database, [user, pet])
  const writer = await database.connect()
  await writer.query(`set lock_timeout = '900ms'`)
  await eventually(async () => {
    const waiting = await database.query(`select 1 from pg_locks where not granted and mode = 'ShareRowExclusiveLock'`)
    expect(waiting).toHaveLength(1)
  })
  await writer.query('insert into pet values (2)') // queues behind the request for the lock
  await holder.query('insert into "user" values (1)') // crosses with the locks of the installation
  await holder.query('commit')
  expect(actions(await installing)).toEqual({ user: 'create', pet: 'create' })
})

test('many processes may install concurrently', async () => {
  const plans = await Promise.all(Array.from({ length: 8 }, () => capture(database, [user, pet])))
  const created = plans.filter(plan => actions(plan).user === 'create')
  expect(created).toHaveLength(1)
  expect(await database.query(`select identity from ${our('captured_table')} order by 1`)).toEqual([
    { identity: 'pet' },
    { identity: 'user' },
  ])
  expect(await triggersIn(database)).toHaveLength(2 * TRIGGERS)
})

test('two feeds may capture one table, and one can be removed without the other', async () => {
  const { migrateSchema } = await import('../../../src/db/migrate.ts')
  await migrateSchema({ connectionString: database.connectionString, applicationName: 'test' }, 'second')
  await capture(database, [user])
  await capture(database, [user], { schema: 'second' })
  await database.query(`insert into "user" values (1)`)
  await database.query('truncate "user"')
  expect(await logged(database)).toHaveLength(2)
  expect(await logged(database, 'second')).toHaveLength(2)
  await uninstallCapture(await database.connect(), { schema: SCHEMA })
  expect(await triggersIn(database)).toHaveLength(TRIGGERS)
  await database.query(`insert into "user" values (2)`)
  expect(await logged(database, 'second')).toHaveLength(3)
})

test('removal deletes all triggers and functions and keeps the log', async () => {
  await capture(database, [user, pet], { noopUpdates: 'ignore' })
  await database.query(`insert into "user" values (1)`)
  const plan = await uninstallCapture(await database.connect(), { schema: SCHEMA })
  expect(actions(plan)).toEqual({ user: 'drop', pet: 'drop' })
  await expectNothingInstalled()
  expect(await logged(database)).toHaveLength(1)
  await database.query(`insert into "user" values (2)`)
  expect(actions(await uninstallCapture(await database.connect(), { schema: SCHEMA }))).toEqual({})
})

test('finds the tables by name after a restore into another database', async () => {
  await capture(database, [user])
  const rows = await database.query<{ relation: string }>(`select relation::text from ${our('captured_table')}`)
  expect(rows).toEqual([{ relation: '"user"' }])
})

test('an unlogged table is captured with a warning', async () => {
  await database.query('alter table pet set unlogged')
  const { warnings } = await capture(database, [user, pet])
  expect(warnings).toEqual([expect.stringMatching(/^Model `pet`: "public"\."pet" is unlogged: PostgreSQL empties it/)])
})

test('formats the plan as text', async () => {
  const view = modelOf('report')
  const plan = await readCapturePlan(await database.connect(), modelsOf(user, pet, view), captureOptions())
  const text = formatPlan(plan)
  expect(text).toMatch(/^\+ user {2}"public"\."user" {2}not captured yet$/m)
  expect(text).toMatch(/^! Model `report`: there is no table "public"\."report"/m)
  expect(text.split('\n')).toHaveLength(3)
})
