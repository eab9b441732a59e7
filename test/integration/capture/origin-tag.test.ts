import type { Client } from 'pg'
import { beforeEach, expect, test } from 'vitest'
import type { TestDatabase } from '../../helpers/database.ts'
import { capture, feedDatabase, logged, modelOf } from './feed-schema.ts'

let database: TestDatabase
let client: Client
beforeEach(async () => {
  database = await feedDatabase()
  await database.query('create table "user" (id int primary key, name text, password text)')
  await database.query('create table pet (id int primary key, owner int references "user" on delete cascade)')
  await capture(database, [modelOf('user'), modelOf('pet', { columns: { id: 'id' } })], { originTag: true })
  client = await database.connect()
})

const origins = async () => (await logged(database)).map(({ origin }) => origin)

test.each([
  ['at the start', `/*changefeed:origin=a-1.2:c*/ insert into "user" values (1)`, 'a-1.2:c'],
  ['at the start, after white space', `\n  /*changefeed:origin=x*/insert into "user" values (1)`, 'x'],
  ['at the end', `insert into "user" values (1) /*changefeed:origin=x*/ ; `, 'x'],
  ['at the start of two statements', `/*changefeed:origin=x*/ select 1; insert into "user" values (1)`, 'x'],
  ['of a long statement', `/*changefeed:origin=x*/ insert into "user" values (1, '${'é'.repeat(2e6)}')`, 'x'],
  ['at the end of a long one', `insert into "user" values (1, '${'é'.repeat(2e6)}') /*changefeed:origin=x*/`, 'x'],
  ['none', `insert into "user" values (1)`, null],
  ['in the middle', `insert /*changefeed:origin=x*/ into "user" values (1)`, null],
  ['in a value', `insert into "user" values (1, '/*changefeed:origin=x*/')`, null],
  ['with odd letters', `/*changefeed:origin=a b*/ insert into "user" values (1)`, null],
  ['too long', `/*changefeed:origin=${'a'.repeat(201)}*/ insert into "user" values (1)`, null],
  ['empty', `/*changefeed:origin=*/ insert into "user" values (1)`, null],
])('tag %s', async (_, statement, origin) => {
  await client.query(statement)
  expect(await origins()).toEqual([origin])
})

test('a parameter value is not read as a tag', async () => {
  await client.query('insert into "user" values (1, $1)', ['/*changefeed:origin=x*/'])
  expect(await origins()).toEqual([null])
})

test('a tag applies to all rows of its statement and to no other statement of the transaction', async () => {
  await client.query('begin')
  await client.query(`/*changefeed:origin=one*/ insert into "user" values (1), (2)`)
  await client.query(`insert into "user" values (3)`)
  await client.query('savepoint s')
  await client.query(`/*changefeed:origin=two*/ insert into "user" values (4)`)
  await client.query('rollback to s')
  await client.query(`/*changefeed:origin=three*/ update "user" set name = 'n' where id = 1`)
  await client.query('delete from "user" where id = 1')
  await client.query('commit')
  await client.query(`insert into "user" values (9)`)
  expect(await origins()).toEqual(['one', 'one', null, 'three', null, null])
})

test('prepared statements apply their tag at each execution', async () => {
  const insert = { name: 'tagged', text: `/*changefeed:origin=p*/ insert into "user" values ($1)` }
  await client.query({ ...insert, values: [1] })
  await client.query('insert into "user" values (2)')
  await client.query({ ...insert, values: [3] })
  expect(await origins()).toEqual(['p', null, 'p'])
})

test('cascades and nested statements use the tag of the client statement', async () => {
  await client.query(`insert into "user" values (1); insert into pet values (1, 1), (2, 1)`)
  await client.query(`/*changefeed:origin=x*/ delete from "user"`)
  expect((await origins()).slice(3)).toEqual(['x', 'x', 'x'])
  await client.query(`/*changefeed:origin=do*/ do $$ begin insert into "user" values (5); end $$`)
  expect((await origins()).at(-1)).toBe('do')
})

test('a tag takes precedence over the origin of the transaction', async () => {
  await client.query(`set changefeed.origin = 'session'`)
  await client.query(`insert into "user" values (1)`)
  await client.query(`/*changefeed:origin=tag*/ insert into "user" values (2)`)
  await client.query(`/*changefeed:origin=cut*/ truncate "user" cascade`)
  expect(await origins()).toEqual(['session', 'tag', 'cut', 'cut'])
})

test('tags are ignored without the option', async () => {
  await capture(database, [modelOf('user')], { originTag: false })
  await client.query(`/*changefeed:origin=x*/ insert into "user" values (1)`)
  expect(await origins()).toEqual([null])
})
