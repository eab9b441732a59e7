import { beforeEach, expect, test } from 'vitest'
import { installCapture, readCapturePlan, uninstallCapture } from '../../src/capture/apply.ts'
import { formatPlan } from '../../src/capture/format-plan.ts'
import { type TestDatabase, testDatabase } from '../helpers/database.ts'
import { eventually } from '../helpers/eventually.ts'
import {
  capture,
  captureOptions,
  feedDatabase,
  functionsIn,
  logged,
  modelOf,
  modelsOf,
  our,
  SCHEMA,
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

test('the plan shows exactly what would be done, and a second installation has nothing to do', async () => {
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

test('an installation that finds everything in place takes no lock on the tables', async () => {
  await capture(database, [user])
  const holder = await database.connect()
  await holder.query('begin')
  await holder.query('lock table "user" in access exclusive mode')
  expect(actions(await capture(database, [user]))).toEqual({ user: 'keep' })
})

test('only the function is replaced when redaction changes: no lock on the table either', async () => {
  await capture(database, [user])
  const holder = await database.connect()
  await holder.query('begin')
  await holder.query('lock table "user" in access exclusive mode')
  const plan = await capture(database, [user], { of: { user: { omit: ['password'] } } })
  expect(plan.steps).toMatchObject([{ action: 'replace', reason: 'the function differs; recorded definition differs' }])
})

test('models come and go with the options, and keep their id', async () => {
  await capture(database, [user, pet])
  expect(actions(await capture(database, [pet]))).toEqual({ user: 'drop', pet: 'keep' })
  expect(actions(await capture(database, [user, pet]))).toEqual({ user: 'create', pet: 'keep' })
  expect(actions(await capture(database, [user]))).toEqual({ user: 'keep', pet: 'drop' })
  await database.query(`insert into "user" values (1); insert into pet values (1)`)
  expect(await logged(database)).toMatchObject([{ table_id: 3, new: { id: 1 } }])
})

test.each([
  ['a trigger was dropped', `drop trigger %row on "user"`, 'a trigger is missing on "public"."user"'],
  ['a trigger was disabled', `alter table "user" disable trigger %truncate`, 'is disabled or altered'],
  [
    'a trigger was replaced',
    `drop trigger %row on "user"; create trigger %row after insert on "user" for each row execute function %f()`,
    'is disabled or altered',
  ],
  [
    'the function was replaced',
    `create or replace function %f() returns trigger language plpgsql security definer as 'begin return null; end'`,
    'the function differs',
  ],
  ['the function lost its rights', `alter function %f() security invoker`, 'the function was altered'],
  ['the function lost a setting', `alter function %f() reset search_path`, 'the function was altered'],
  ['the function was dropped', `drop function %f() cascade`, 'the function is missing'],
  [
    'the table was made anew',
    `drop table "user"; create table "user" (id int primary key, name text, password text)`,
    'its table was dropped and created again',
  ],
])('drift is seen and mended: %s', async (_, damage, reason) => {
  await capture(database, [user])
  const [trigger] = (await triggersIn(database)).map(name =>
    name
      .split(' ')
      .at(1)
      ?.replace(/_[a-z]+$/, ''),
  )
  const named = damage
    .replaceAll(/%(row|truncate)/g, (_match, kind) => `"${trigger}_${kind}"`)
    .replaceAll('%f', our('capture_1'))
  await database.query(named)
  const [step] = (await capture(database, [user])).steps
  expect([step?.action, step?.tableId]).toEqual(['replace', 1])
  expect(step?.reason).toContain(reason)
  expect(actions(await capture(database, [user]))).toEqual({ user: 'keep' })
  await database.query(`insert into "user" values (1)`)
  await database.query('truncate "user"')
  expect((await logged(database)).map(({ op }) => op)).toEqual(['I', 'T'])
})

test('a renamed table and a renamed schema stay captured; a dropped table is cleaned up', async () => {
  await capture(database, [user])
  await database.query('alter table "user" rename to person')
  await database.query('create schema moved')
  await database.query('alter table person set schema moved')
  await database.query('insert into moved.person values (1)')
  expect(await logged(database)).toHaveLength(1)
  const moved = modelOf('user', { table: 'person', schema: 'moved' })
  expect(actions(await capture(database, [moved]))).toEqual({ user: 'keep' })
  await database.query('drop table moved.person')
  const plan = await capture(database, [])
  expect(plan.steps).toMatchObject([{ action: 'drop', table: null }])
  await expectNothingInstalled()
})

test('a model that changes its table takes its capture along', async () => {
  await database.query('create table person (id int primary key)')
  await capture(database, [user])
  const plan = await capture(database, [modelOf('user', { table: 'person', columns: { id: 'id' } })])
  expect(plan.steps).toMatchObject([{ action: 'replace', tableId: 1, table: '"public"."person"' }])
  await database.query('insert into "user" values (1); insert into person values (2)')
  expect(await logged(database)).toMatchObject([{ table_id: 1, new: { id: 2 } }])
})

test('two models on one table are captured each with its own redaction', async () => {
  const account = modelOf('account', { table: 'user' })
  await capture(database, [user, account], { of: { user: { omit: ['password'] } } })
  await database.query(`insert into "user" values (1, 'a', 'p')`)
  expect((await logged(database)).map(change => change.new?.password)).toEqual([null, 'p'])
})

test('names may hold anything', async () => {
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
  expect(await logged(database)).toMatchObject([{ new: { [key]: '1', 'se"cret': null }, defect: null }, { op: 'T' }])
  expect(actions(await capture(database, [model], options))).toEqual({ odd: 'keep' })
  await capture(database, [], options)
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
])('%s is refused, and nothing is installed', async (_, damage, code, message) => {
  await database.query(damage)
  const installing = capture(database, [user, pet], { of: { user: { omit: ['password'] } } })
  await expect(installing).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  await expectNothingInstalled()
})

test.each([
  ['an unknown attribute', { of: { user: { omit: ['passwort'] } } }, 'E_OPTIONS', 'passwort'],
  ['an omitted key', { of: { user: { omit: ['id'] } } }, 'E_OPTIONS', 'primary key'],
])('options are refused: %s', async (_, options, code, message) => {
  await expect(capture(database, [user, pet], options)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  })
  await expectNothingInstalled()
})

test('an encrypted primary key is refused', async () => {
  await expect(capture(database, [modelOf('user', { encrypt: ['id'] })])).rejects.toMatchObject({ code: 'E_MODEL' })
})

test('without our schema the plan can be read, and an installation says what is missing', async () => {
  const bare = await testDatabase()
  await bare.query('create table "user" (id int primary key)')
  const model = modelOf('user', { columns: { id: 'id' } })
  const plan = await readCapturePlan(await bare.connect(), modelsOf(model), captureOptions())
  expect([actions(plan), plan.problems]).toEqual([{ user: 'create' }, []])
  await expect(capture(bare, [model])).rejects.toMatchObject({ code: 'E_NOT_INSTALLED' })
  await uninstallCapture(await bare.connect(), { schema: SCHEMA })
})

test('rights are asked for by name: on our schema, to create triggers, to drop them', async () => {
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
  await expect(install({ noopUpdates: 'ignore' })).rejects.toMatchObject(refusal('only the owner'))
  await expect(uninstallCapture(client, { schema: SCHEMA })).rejects.toMatchObject(refusal('only the owner'))
  expect(await triggersIn(database)).toHaveLength(3)
})

test('a table that stays locked is given up in time, and nothing is left behind', async () => {
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

test('an installation that waits for a lock neither stops writers for long nor makes them its deadlock victims', async () => {
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

test('many processes may install at once', async () => {
  const plans = await Promise.all(Array.from({ length: 8 }, () => capture(database, [user, pet])))
  const created = plans.filter(plan => actions(plan).user === 'create')
  expect(created).toHaveLength(1)
  expect(await database.query(`select identity from ${our('captured_table')} order by 1`)).toEqual([
    { identity: 'pet' },
    { identity: 'user' },
  ])
  expect(await triggersIn(database)).toHaveLength(6)
})

test('two feeds may capture one table, and one goes without the other', async () => {
  const { migrateSchema } = await import('../../src/db/migrate.ts')
  await migrateSchema({ connectionString: database.connectionString, applicationName: 'test' }, 'second')
  await capture(database, [user])
  await capture(database, [user], { schema: 'second' })
  await database.query(`insert into "user" values (1)`)
  await database.query('truncate "user"')
  expect(await logged(database)).toHaveLength(2)
  expect(await logged(database, 'second')).toHaveLength(2)
  await uninstallCapture(await database.connect(), { schema: SCHEMA })
  expect(await triggersIn(database)).toHaveLength(3)
  await database.query(`insert into "user" values (2)`)
  expect(await logged(database, 'second')).toHaveLength(3)
})

test('removal takes everything from the tables of the app and leaves the log', async () => {
  await capture(database, [user, pet], { noopUpdates: 'ignore' })
  await database.query(`insert into "user" values (1)`)
  const plan = await uninstallCapture(await database.connect(), { schema: SCHEMA })
  expect(actions(plan)).toEqual({ user: 'drop', pet: 'drop' })
  await expectNothingInstalled()
  expect(await logged(database)).toHaveLength(1)
  await database.query(`insert into "user" values (2)`)
  expect(actions(await uninstallCapture(await database.connect(), { schema: SCHEMA }))).toEqual({})
})

test('a dump and restore in another place finds the tables by name', async () => {
  await capture(database, [user])
  const rows = await database.query<{ relation: string }>(`select relation::text from ${our('captured_table')}`)
  expect(rows).toEqual([{ relation: '"user"' }])
})

test('the plan reads well', async () => {
  const view = modelOf('report')
  const plan = await readCapturePlan(await database.connect(), modelsOf(user, pet, view), captureOptions())
  const text = formatPlan(plan, { sql: true })
  expect(text).toMatch(/^\+ user {2}"public"\."user" {2}not captured yet$/m)
  expect(text).toMatch(
    /^ {4}create trigger "!changefeed_\w+_2_row" after insert or update or delete on "public"\."pet"/m,
  )
  expect(text).toMatch(/^! Model `report`: there is no table "public"\."report"/m)
  expect(formatPlan(plan).split('\n')).toHaveLength(3)
})
