import { beforeEach, expect, test } from 'vitest'
import type { TestDatabase } from '../helpers/database.ts'
import { capture, feedDatabase, logged, loggedChanges, modelOf, our } from './feed-schema.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await feedDatabase()
})

const user = modelOf('user')
const SECRET = 's3cr3t-value'

/** Every column of every row of the log, as one text. */
async function wholeLog() {
  const rows = await database.query<{ it: string }>(`select change::text as it from ${our('change')} as change`)
  expect(rows.length).toBeGreaterThan(0)
  return rows.map(({ it }) => it).join('\n')
}

async function writeSecrets() {
  await database.query(`insert into "user" (id, name, password) values (1, 'a', '${SECRET}')`)
  await database.query(`update "user" set name = 'b'`)
  await database.query(`update "user" set password = '${SECRET}2'`)
  await database.query('update "user" set id = 5')
  await database.query('delete from "user"')
}

test('columns of encrypted and omitted attributes are not in the log', async () => {
  await database.query('create table "user" (id int primary key, name text, "Pass ""Word" text, token text)')
  const model = modelOf('user', {
    columns: { id: 'id', name: 'name', password: 'Pass "Word', token: 'token' },
    encrypt: ['token'],
  })
  await capture(database, [model], { of: { user: { omit: ['password'] } } })
  await database.query(`insert into "user" values (1, 'a', '${SECRET}', '${SECRET}')`)
  await database.query(`update "user" set "Pass ""Word" = '${SECRET}2', token = name || '${SECRET}'`)
  await database.query('delete from "user"')
  expect(await wholeLog()).not.toContain(SECRET)
  expect((await logged(database)).map(({ op, defect, new: row }) => [op, row?.name, defect])).toEqual([
    ['I', 'a', null],
    ['U', 'a', null],
    ['D', undefined, null],
  ])
})

test('redaction leaves the row of the app, and what its other triggers see, as it is', async () => {
  await database.query('create table "user" (id int primary key, name text, password text)')
  await database.query('create table seen (password text)')
  await database.query(`
    create function see() returns trigger language plpgsql as $$ begin
      insert into seen values (new.password);
      return null;
    end $$`)
  await database.query('create trigger z after insert or update on "user" for each row execute function see()')
  await capture(database, [user], { of: { user: { omit: ['password'] } } })
  await database.query(`insert into "user" values (1, 'a', '${SECRET}')`)
  expect(await database.query('select password from "user" union all select password from seen')).toEqual([
    { password: SECRET },
    { password: SECRET },
  ])
})

test.each([
  ['refuses null', `create domain secret as text not null check (value <> '')`],
  ['allows it', 'create domain secret as text'],
])('a redacted column of a domain that %s', async (_, domain) => {
  await database.query(domain)
  await database.query('create table "user" (id int primary key, kept text, name text, password secret, moment int)')
  const plan = await capture(database, [user], { of: { user: { omit: ['password'] } } })
  expect(plan.warnings).toEqual([expect.stringContaining('domain')])
  await writeSecrets()
  expect(await wholeLog()).not.toContain(SECRET)
  const changes = await logged(database)
  expect(changes.map(({ defect }) => defect)).toEqual([null, null, null, null, null])
  expect(changes[0]?.new).toEqual({ id: 1, kept: null, name: 'a', moment: null })

  await database.query('alter table "user" add extra text')
  const [step] = (await capture(database, [user], { of: { user: { omit: ['password'] } } })).steps
  expect(step?.action).toBe('replace')
  await database.query(`insert into "user" values (3, 'k', 'c', '${SECRET}', 1, 'e')`)
  expect((await logged(database)).at(-1)?.new).toEqual({ id: 3, kept: 'k', name: 'c', moment: 1, extra: 'e' })
  expect(await wholeLog()).not.toContain(SECRET)
})

test.each([
  ['dropped', 'alter table "user" drop password'],
  ['renamed', 'alter table "user" rename password to pass'],
])('a redacted column that was %s: the write succeeds and logs the key alone', async (_, alter) => {
  await database.query('create table "user" (id int primary key, name text, password text)')
  await capture(database, [user], { of: { user: { omit: ['password'] } } })
  const client = await database.connect()
  await client.query(`insert into "user" values (1, 'a', '${SECRET}')`)
  await client.query(alter)
  await client.query(`update "user" set name = 'b'`)
  const last = (await logged(database)).at(-1)
  expect([last?.old, last?.new, last?.defect]).toEqual([{ id: 1 }, { id: 1 }, '42703'])
  expect(await wholeLog()).not.toContain(SECRET)
})

test('columns that are added, dropped or change type later are followed without a new installation', async () => {
  await database.query('create table "user" (id int primary key, name text, password text)')
  await capture(database, [user], { of: { user: { omit: ['password'] } } })
  const client = await database.connect()
  await client.query(`insert into "user" values (1, 'a', '${SECRET}')`)
  await client.query('alter table "user" add age int')
  await client.query('update "user" set age = 3')
  await client.query('alter table "user" drop name')
  await client.query('update "user" set age = 4')
  await client.query('alter table "user" alter age type text')
  await client.query('delete from "user"')
  expect(await loggedChanges(database)).toEqual([
    ['I', null, { id: 1, name: 'a', password: null }],
    ['U', { id: 1, name: 'a', password: null, age: null }, { id: 1, name: 'a', password: null, age: 3 }],
    ['U', { id: 1, password: null, age: 3 }, { id: 1, password: null, age: 4 }],
    ['D', { id: 1, password: null, age: '4' }, null],
  ])
})

/** An enum with a cast to json that fails, and quotes the value. */
async function createUnwritableType() {
  await database.query(`create type mood as enum ('${SECRET}')`)
  await database.query(`
    create function broken(mood) returns json language plpgsql as $$ begin raise exception 'no: %', $1; end $$`)
  await database.query('create cast (mood as json) with function broken(mood)')
}

test('a row that cannot be written as JSON is logged by its key, and no value gets into the reason', async () => {
  await createUnwritableType()
  await database.query('create table "user" (id uuid primary key default gen_random_uuid(), mood mood)')
  await capture(database, [modelOf('user', { columns: { id: 'id' } })])
  const [row] = await database.query<{ id: string }>(`insert into "user" (mood) values ('${SECRET}') returning id`)
  await database.query('update "user" set mood = null')
  await database.query('delete from "user"')
  expect((await logged(database)).map(change => [change.old, change.new, change.defect])).toEqual([
    [null, { id: row?.id }, 'P0001'],
    [{ id: row?.id }, { id: row?.id }, 'P0001'],
    [{ id: row?.id, mood: null }, null, null],
  ])
  expect(await wholeLog()).not.toContain(SECRET)
})

test('where not even the key can be written the change is logged without a row', async () => {
  await createUnwritableType()
  await database.query('create table "user" (id mood primary key)')
  await capture(database, [modelOf('user', { columns: { id: 'id' } })])
  await database.query(`insert into "user" values ('${SECRET}')`)
  expect((await logged(database))[0]).toMatchObject({ old: null, new: null, defect: 'P0001' })
  expect(await wholeLog()).not.toContain(SECRET)
})

test('a row that is too large to be read is logged by its key', async () => {
  await database.query('create table "user" (id int primary key, name text, password text)')
  await capture(database, [user])
  await database.query(`insert into "user" values (1, repeat('é', 40 * 1024 * 1024))`) // 80 MB
  expect((await logged(database))[0]).toMatchObject({ defect: null })
  await database.query(`update "user" set password = 'p'`) // 160 MB, old and new
  await database.query('delete from "user"')
  expect((await database.query(`select old, new, defect from ${our('change')} where operation = 'U'`))[0]).toEqual({
    old: '{"id" : 1}',
    new: '{"id" : 1}',
    defect: '54000',
  })
})

test('json with a nul escape and nested odd keys is logged as it is', async () => {
  await database.query('create table "user" (id int primary key, doc json)')
  await capture(database, [modelOf('user', { columns: { id: 'id' } })])
  const doc = '{"\\u0000": "a\\u0000b", "": 12345678901234567890.10, "__proto__": [1e400]}'
  await database.query('insert into "user" values (1, $1)', [doc])
  const [row] = await database.query(`select new from ${our('change')}`)
  expect(row?.new).toBe(`{"id":1,"doc":${doc}}`)
})

test('a statement that is cancelled stays cancelled', async () => {
  await database.query('create table "user" (id int primary key, name text, password text)')
  await capture(database, [user])
  const client = await database.connect()
  await client.query(`set statement_timeout = '300ms'`)
  await expect(client.query(`insert into "user" select i from generate_series(1, 2000000) as i`)).rejects.toThrow(
    'statement timeout',
  )
  expect(await logged(database)).toEqual([])
})
