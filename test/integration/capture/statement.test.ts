import { beforeEach, expect, test } from 'vitest'
import { readModelCaptures } from '../../../src/capture/model-capture.ts'
import { reorderByRowImages } from '../../../src/change-log/reorder.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import { capture, feedDatabase, logged, modelOf, modelsOf, our, SCHEMA, triggersIn } from './feed-schema.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await feedDatabase()
  await database.query('create table "user" (id int primary key, name text, password text)')
})

const user = modelOf('user')
const byStatement = () => capture(database, [user], { capture: 'statement' })
const modes = async () => (await triggersIn(database)).map(name => name.split('_').at(-1)).toSorted()

/** The table as the log describes it: each change must begin where the record is. */
async function replayed() {
  const rows = new Map<string, unknown>()
  for (const { op, old, new: row, defect } of await logged(database)) {
    expect(defect).toBeNull()
    if (old) expect(rows.get(String(old.id))).toEqual(old)
    if (op !== 'I') rows.delete(String(old?.id))
    if (row) rows.set(String(row.id), row)
  }
  return [...rows.values()]
}

const present = async () =>
  (
    await database.query<{ row: object }>(
      `select json_build_object('id', id::text, 'name', name, 'password', password) as row from "user"`,
    )
  ).map(({ row }) => row)

const sorted = (rows: readonly unknown[]) => rows.map(row => JSON.stringify(row)).toSorted()

test('COPY, MERGE, upserts, cascades and modifying CTEs are logged row by row', async () => {
  await database.query('alter table "user" add boss int references "user" on delete cascade')
  await byStatement()
  await database.query(`insert into "user" select i, 'n' || i from generate_series(1, 6) as i`)
  await database.query('update "user" set boss = 1 where id in (2, 3)')
  await database.query(
    `insert into "user" values (1, 'again'), (7, 'new') on conflict (id) do update set name = excluded.name`,
  )
  await database.query(
    `with moved as (delete from "user" where id = 6 returning *) insert into "user" select 60, name from moved`,
  )
  const [server] = await database.query<{ version: number }>(
    `select current_setting('server_version_num')::int as version`,
  )
  if ((server?.version ?? 0) >= 150_000) {
    await database.query(`
      merge into "user" using (values (4), (5), (8)) as given (id) on "user".id = given.id
      when matched and given.id = 4 then delete
      when matched then update set name = 'merged'
      when not matched then insert (id, name) values (given.id, 'merged')`)
  }
  await database.query('delete from "user" where id = 1')
  const changes = await replayed()
  expect(sorted(changes.map(row => ({ ...(row as object), boss: undefined })))).toEqual(sorted(await present()))
})

test('a plan made for one row is fast for many, and keys may move within a statement', async () => {
  await byStatement()
  const client = await database.connect()
  await client.query(`set statement_timeout = '20s'`)
  await client.query(`insert into "user" values (0, 'a')`)
  for (let i = 0; i < 8; i++) await client.query(`update "user" set name = name || 'x'`)
  await client.query(`insert into "user" select i, 'n' from generate_series(1, 30000) as i`)
  await client.query(`update "user" set name = 'm'`)
  await client.query(`update "user" set id = -id where id <= 3`)
  await client.query('delete from "user" where id > 10')
  expect(sorted(await replayed())).toEqual(sorted(await present()))
}, 120_000)

test('a statement without rows logs and notifies nothing', async () => {
  await byStatement()
  await database.query(`update "user" set name = 'x'`)
  await database.query('delete from "user"')
  expect(await logged(database)).toEqual([])
})

test('an app trigger that updates a row of its statement is put in order when it is read', async () => {
  await database.query(`
    create function bump() returns trigger language plpgsql as $$ begin
      update "user" set name = new.name || '!' where id = new.id; return null;
    end $$`)
  await database.query('create trigger bump after insert on "user" for each row execute function bump()')
  await byStatement()
  await database.query(`insert into "user" values (1, 'a'), (2, 'b')`)
  const rows = (await logged(database)).map(({ op, old, new: row, xid }) => ({
    ...{ operation: op, xid, tableId: 1, nested: op === 'U', id: (row?.id ?? '') as string },
    ...{ old: old && JSON.stringify(old), new: JSON.stringify(row) },
  }))
  const { changes, unresolved } = reorderByRowImages(rows as never, change => (change as never as { id: string }).id)
  expect(unresolved.size).toBe(0)
  expect(changes.map(change => change.operation as string)).toEqual(['I', 'I', 'U', 'U'])
})

test('a foreign key that updates a row twice in a statement becomes a gap, and the table is captured by row from then on', async () => {
  await byStatement()
  await database.query('create table person (id int primary key)')
  await database.query(
    'alter table "user" add a int references person on delete set null, add b int references person on delete set null',
  )
  await database.query('insert into person values (1), (2)')
  await database.query(`insert into "user" (id, a, b) values (1, 1, 2)`)
  await database.query('delete from person')
  expect((await logged(database)).map(({ op, defect }) => [op, defect])).toEqual([
    ['I', null],
    ['G', '21000'],
  ])
  const { warnings } = await byStatement()
  expect(warnings.join()).toContain('captured by row')
  expect(await modes()).toEqual(['row', 'truncate', 'truncating'])
})

test('switching the mode is a step without a gap', async () => {
  await capture(database, [user], { capture: 'row' })
  const plan = await byStatement()
  expect(plan.steps.map(({ action }) => action)).toEqual(['replace'])
  expect(await modes()).toEqual(['delete', 'insert', 'truncate', 'truncating', 'update'])
  expect((await byStatement()).steps.map(({ action }) => action)).toEqual(['keep'])
  await database.query(`insert into "user" values (1, 'a')`)
  await capture(database, [user], { capture: 'statement', of: { user: { capture: 'row' } } })
  await database.query(`update "user" set name = 'b'`)
  expect((await logged(database)).map(({ op }) => op)).toEqual(['I', 'U'])
})

test('attaching the table to another is detected, and repaired with a gap', async () => {
  await byStatement()
  const faults = async () =>
    (await readModelCaptures(await database.connect(), SCHEMA, modelsOf(user))).map(({ fault }) => fault)
  expect(await faults()).toEqual([null])
  await database.query('create table parent (id int not null, name text, password text)')
  await database.query('alter table "user" inherit parent')
  expect(await faults()).toEqual(['bypassed'])
  await byStatement()
  expect(await faults()).toEqual([null])
  await database.query(`insert into "user" values (1)`)
  await database.query(`update parent set name = 'x'`)
  expect((await logged(database)).map(({ op }) => op)).toEqual(['G', 'I', 'U'])
})

test('an owner of the trigger function that may not call our functions does not fail writes: a gap is logged', async () => {
  await byStatement()
  const { name } = await database.role()
  await database.query(`grant usage on schema ${our('x').replace('.x', '')} to ${name}`)
  await database.query(`grant insert on ${our('change')} to ${name}`)
  await database.query(`grant execute on function ${our('slot_of')}(timestamptz) to ${name}`)
  await database.query(`alter function ${our('capture_1')}() owner to ${name}`)
  await database.query(`insert into "user" values (1)`)
  expect((await logged(database)).map(({ op, defect }) => [op, defect])).toEqual([['G', '42501']])
})
