import { beforeEach, expect, test } from 'vitest'
import type { TestDatabase } from '../../helpers/database.ts'
import { capture, feedDatabase, functionsIn, logged, loggedChanges, MODE, modelOf, triggersIn } from './feed-schema.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await feedDatabase()
  await database.query('create table ev (id int, region text, primary key (id, region)) partition by list (region)')
  await database.query(`create table ev_a partition of ev for values in ('a')`)
  await database.query(`create table ev_b partition of ev for values in ('b', 'c') partition by list (region)`)
  await database.query(`create table ev_b1 partition of ev_b for values in ('b')`)
})

const ev = modelOf('ev', { columns: { id: 'id' } })

test('writes to the table and to its partitions are logged once, including partitions created later', async () => {
  const plan = await capture(database, [ev])
  expect(plan.warnings.join()).toContain('partition key')
  await database.query(`insert into ev values (1, 'a'), (2, 'b')`)
  await database.query(`insert into ev_b1 values (3, 'b')`)
  await database.query(`create table ev_c partition of ev_b for values in ('c')`)
  await database.query(`insert into ev values (4, 'c')`)
  await database.query(`insert into ev_c values (5, 'c')`)
  await database.query('delete from ev_c where id = 4')
  expect((await logged(database)).map(change => [change.op, (change.new ?? change.old)?.id])).toEqual([
    ['I', '1'],
    ['I', '2'],
    ['I', '3'],
    ['I', '4'],
    ['I', '5'],
    ['D', '4'],
  ])
})

test('logs a row that moves to another partition as delete and insert', async () => {
  await capture(database, [ev])
  await database.query(`insert into ev values (1, 'a')`)
  await database.query(`update ev set region = 'b'`)
  expect((await loggedChanges(database)).slice(1)).toEqual([
    ['D', { id: '1', region: 'a' }, null],
    ['I', null, { id: '1', region: 'b' }],
  ])
})

test('truncation of the table and of one partition is logged once each', async () => {
  await capture(database, [ev])
  await database.query(`insert into ev values (1, 'a')`)
  await database.query('truncate ev')
  await database.query(`insert into ev values (2, 'a')`)
  await database.query('truncate ev_a')
  await database.query(`insert into ev values (3, 'b')`)
  await database.query('truncate ev_b')
  expect((await logged(database)).map(({ op }) => op)).toEqual(['I', 'T', 'I', 'T', 'I', 'T'])
})

test('every truncation is logged in a transaction that continues to write, with or without savepoints', async () => {
  await capture(database, [ev])
  await database.query(`begin; truncate ev; insert into ev values (1, 'a'); truncate ev; commit`)
  expect((await logged(database)).map(({ op }) => op)).toEqual(['T', 'I', 'T'])
  const client = await database.connect()
  await client.query('begin')
  await client.query('savepoint s')
  await client.query('truncate ev')
  await client.query('rollback to s')
  await client.query('truncate ev_a')
  await client.query('commit')
  expect((await logged(database)).map(({ op }) => op)).toEqual(['T', 'I', 'T', 'T'])
  await database.query('begin; truncate ev; truncate ev_a; commit')
  expect(await logged(database)).toHaveLength(6)
})

test('truncation of two captured tables at once is logged for each', async () => {
  await database.query('create table other (id int primary key)')
  await capture(database, [ev, modelOf('other', { columns: { id: 'id' } })])
  await database.query('truncate ev, other')
  const changes = await logged(database)
  expect(new Set(changes.map(({ table_id }) => table_id)).size).toBe(2)
})

test('a detached partition is no longer captured, not even its truncation', async () => {
  await capture(database, [ev])
  await database.query('alter table ev detach partition ev_a')
  await database.query(`insert into ev_a values (1, 'a')`)
  await database.query('truncate ev_a')
  expect(await logged(database)).toEqual([])
  const plan = await capture(database, [ev])
  expect(plan.steps[0]).toMatchObject({ action: 'replace', reason: expect.stringContaining('surplus') })
  expect((await triggersIn(database)).filter(name => name.startsWith('ev_a '))).toEqual([])
})

test('installing again adds the missing triggers of new partitions, and a captured partition can be attached', async () => {
  await capture(database, [ev])
  await database.query('create table ev_c (id int, region text, primary key (id, region))')
  const own = modelOf('ev_c', { columns: { id: 'id' } })
  await database.query('create unique index on ev_c (id)')
  await capture(database, [ev, own])
  await database.query(`alter table ev_b attach partition ev_c for values in ('c')`)
  const plan = await capture(database, [ev, own])
  expect(plan.steps.map(({ action, reason }) => [action, reason])).toEqual([
    ['replace', expect.stringContaining('missing on "public"."ev_c"')],
    MODE === 'row' ? ['keep', 'up to date'] : ['replace', expect.stringContaining('surplus trigger')],
  ])
  await database.query(`insert into ev values (1, 'c')`)
  expect(new Set((await logged(database)).map(({ table_id }) => table_id)).size).toBe(2)
})

test('a trigger disabled on one partition is detected and repaired', async () => {
  await capture(database, [ev])
  await database.query('alter table ev_b1 disable trigger user')
  const plan = await capture(database, [ev])
  expect(plan.steps[0]?.reason).toContain('"public"."ev_b1" is disabled')
  await database.query(`insert into ev values (1, 'b')`)
  await database.query('truncate ev_b1')
  expect((await logged(database)).map(({ op }) => op)).toEqual(['G', 'I', 'T'])
  expect((await capture(database, [ev])).steps[0]?.action).toBe('keep')
})

test('the owner of the table may add partitions without privileges on our schema', async () => {
  await capture(database, [ev])
  const { name, connectionString } = await database.role()
  await database.query(`grant create on schema public to ${name}`)
  for (const table of ['ev', 'ev_a', 'ev_b', 'ev_b1']) await database.query(`alter table ${table} owner to ${name}`)
  const owner = await database.connect({ connectionString })
  await owner.query(`create table ev_d partition of ev for values in ('d')`)
  await owner.query(`insert into ev values (1, 'd')`)
  expect(await logged(database)).toHaveLength(1)
})

test('triggers are always enabled on every partition, and on later ones after installing again', async () => {
  await capture(database, [ev], { enableAlways: true })
  await database.query(`create table ev_c partition of ev_b for values in ('c')`)
  await capture(database, [ev], { enableAlways: true })
  const client = await database.connect()
  await client.query('set session_replication_role = replica')
  await client.query(`insert into ev values (1, 'a'), (2, 'b'), (3, 'c')`)
  expect(await logged(database)).toHaveLength(3)
  expect((await capture(database, [ev], { enableAlways: true })).steps[0]?.action).toBe('keep')
})

test('no-op updates are ignored on partitions as well', async () => {
  await capture(database, [ev], { noopUpdates: 'ignore' })
  await database.query(`insert into ev values (1, 'a')`)
  await database.query('update ev set id = id')
  await database.query('update ev_a set id = 2')
  expect((await logged(database)).map(({ op }) => op)).toEqual(['I', 'U'])
})

test('removal drops the triggers of all partitions', async () => {
  await capture(database, [ev], { noopUpdates: 'ignore', enableAlways: true })
  expect(await triggersIn(database)).not.toEqual([])
  await capture(database, [], { prune: true })
  expect(await triggersIn(database)).toEqual([])
  expect(await functionsIn(database)).toEqual([])
})
