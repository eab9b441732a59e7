import { beforeEach, expect, test } from 'vitest'
import { readCatalogFingerprint } from '../../../src/capture/catalog-fingerprint.ts'
import { type Database, openDatabase } from '../../../src/db/connect.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import { afterScope } from '../../helpers/scope.ts'
import { capture, feedDatabase, modelOf, modelsOf, our, SCHEMA } from './feed-schema.ts'

const user = modelOf('user')
const ev = modelOf('ev', { columns: { id: 'id', kind: 'kind', at: 'at' } })
const later = modelOf('later')
const models = modelsOf(user, ev, later)

let database: TestDatabase
let db: Database
beforeEach(async () => {
  database = await feedDatabase()
  await database.query(`
    create type mood as enum ('good', 'bad');
    create domain short as text;
    create type place as (name short, moods mood[]);
    create table "user" (id serial primary key, name text, password text, at place);
    create table ev (id int, kind text, at timestamptz, primary key (id, kind)) partition by list (kind);
    create table ev_a partition of ev for values in ('a');
    create table other (id int primary key, name text)`)
  await capture(database, [user, ev])
  db = openDatabase({ connectionString: database.connectionString, applicationName: 'test' }, SCHEMA)
  afterScope(() => db.close())
})

const fingerprint = () => readCatalogFingerprint(db.pool, SCHEMA, models)

test.each([
  'alter table "user" add note text',
  'alter table "user" drop name',
  'alter table "user" rename name to title',
  'alter table "user" alter name type varchar',
  'alter table "user" alter name set not null',
  'alter table "user" set unlogged',
  'alter table "user" rename to person',
  'begin; alter table "user" rename to person; alter table other rename to "user"; commit',
  'create schema elsewhere; alter table "user" set schema elsewhere',
  'alter schema public rename to former',
  'create schema next; begin; alter schema public rename to former; alter schema next rename to public; commit',
  'drop table "user"',
  'drop table "user"; create table "user" (id serial primary key, name text)',
  `create table ev_b partition of ev for values in ('b')`,
  'create table later (id serial primary key, name text, password text)',
  'create unique index on "user" (name)',
  'alter table "user" drop constraint user_pkey',
  'alter table "user" disable trigger user',
  'alter table ev_a disable trigger user',
  'create table parent (name text); alter table "user" inherit parent',
  'alter type place add attribute size int',
  'alter type place rename attribute name to title',
  'alter type mood rename to humour',
  'alter domain short rename to brief',
  `do $$ declare name text; begin
    for name in select tgname from pg_trigger where tgrelid = '"user"'::regclass and not tgisinternal limit 1
    loop execute format('drop trigger %I on "user"', name); end loop; end $$`,
  `insert into ${our('model_capture')} values ('user', '"public"."user"', 1, 'gone', now())`,
  `delete from ${our('captured_table')} where identity = 'user'`,
])('differs after: %s', async statement => {
  const before = await fingerprint()
  await database.query(statement)
  expect(await fingerprint()).not.toBe(before)
})

test('differs after transactions that commit in another order than they began', async () => {
  const [first, second] = [await database.connect(), await database.connect()]
  await first.query('begin; alter table "user" add a text')
  await second.query('alter table ev add a text')
  const before = await fingerprint()
  await first.query('commit')
  expect(await fingerprint()).not.toBe(before)
})

test('differs after a change of triggers within a subtransaction, and not after one that was rolled back', async () => {
  const before = await fingerprint()
  const client = await database.connect()
  await client.query('begin; savepoint a; alter table "user" disable trigger user; rollback to a')
  await client.query('commit')
  expect(await fingerprint()).toBe(before)
  await client.query('begin; savepoint a; alter table "user" disable trigger user; release a; commit')
  expect(await fingerprint()).not.toBe(before)
})

test('is the same after writes, maintenance and changes of other tables', async () => {
  const before = await fingerprint()
  for (const statement of [
    `insert into "user" (name) select 'a' from generate_series(1, 1000)`,
    'update "user" set name = null',
    'vacuum (analyze, freeze) "user"',
    'alter table other add note text',
    'create table unrelated (id serial primary key)',
    'create function note() returns int language sql as $$ select 1 $$',
  ]) {
    await database.query(statement)
    expect(await fingerprint(), statement).toBe(before)
  }
})
