import type pg from 'pg'
import { beforeEach, expect, test } from 'vitest'
import type { TestDatabase } from '../../helpers/database.ts'
import { capture, feedDatabase, KEY_UPDATE, logged, modelOf } from './feed-schema.ts'

/**
 * Everything that the owner of a captured table defines records who called it. Our triggers run with the privileges of
 * the installing role, here a superuser, so they must call none of it.
 */
const definitions = `
  create table called (by_role text, what text);
  create function note(what text) returns void language plpgsql as $$ begin insert into public.called values (current_user, what); end $$;
  create function accepts(text) returns boolean language plpgsql as $$ begin perform public.note('check'); return true; end $$;

  create type evil as enum ('x', 'y');
  create domain checked as text check (accepts(value));
  create type pair as (label text, kind evil);
  create type evil_range as range (subtype = evil);
  create domain checked_pair as pair check (accepts((value).label));
  ${['evil', 'pair', 'evil_range', 'item']
    .flatMap(type =>
      ['json', 'jsonb', 'text'].map(
        target => `
  create function to_${target}(${type}) returns ${target} language plpgsql as $$ begin perform public.note('cast ${type} to ${target}'); return '"x"'; end $$;
  create cast (${type} as ${target}) with function to_${target}(${type}) as implicit;`,
      ),
    )
    .join('')}
  create function same(evil, evil) returns boolean language plpgsql as $$ begin perform public.note('operator'); return true; end $$;
  create operator = (leftarg = evil, rightarg = evil, function = same);
  create operator <> (leftarg = evil, rightarg = evil, function = same);
`

const columns: Record<string, string> = {
  evil: `'x'`,
  checked: `'secret'`,
  pair: `('l', 'x')`,
  evil_range: `'[x,y]'`,
  checked_pair: `('l', 'x')`,
  'evil[]': `'{x,y}'`,
  'checked[]': `'{a,b}'`,
  'pair[]': `array[('l', 'x')]::pair[]`,
  'evil_range[]': `'{"[x,y]"}'`,
  citext: `'C'`,
  hstore: `'a=>1'`,
  'citext[]': `'{C}'`,
}
const names = Object.keys(columns).map((_, index) => `c${index}`)

let database: TestDatabase
let owner: pg.Client
let ownerName: string

beforeEach(async () => {
  database = await feedDatabase()
  await database.query('create extension citext; create extension hstore')
  const role = await database.role()
  ownerName = role.name
  await database.query(`grant create on schema public to ${role.name}`)
  owner = await database.connect({ connectionString: role.connectionString })
})

const model = modelOf('item', { columns: { id: 'id', ...Object.fromEntries(names.map(name => [name, name])) } })
const install = () => capture(database, [model], { of: { item: { omit: ['c1', 'c4'] } } })

async function write() {
  const values = Object.entries(columns).map(([type, value]) => `cast(${value} as ${type})`)
  await owner.query(`insert into item (id, ${names.join(', ')}) values (1, ${values.join(', ')})`)
  await owner.query('update item set id = 2')
  await owner.query('delete from item')
}

async function expectOnlyOwnerCalled() {
  const called = await database.query('select distinct by_role, what from called where by_role <> $1', [ownerName])
  expect(called).toEqual([])
  const changes = await logged(database)
  expect(changes.map(({ op, defect }) => [op, defect])).toEqual([
    ['I', null],
    ...KEY_UPDATE.map(op => [op, null]),
    ['D', null],
  ])
  return changes[0]?.new
}

const written = {
  id: '1',
  c0: 'x',
  c2: '(l,x)',
  c3: '[x,y]',
  c5: '{x,y}',
  c6: '{a,b}',
  c7: '{"(l,x)"}',
  c8: '{"[x,y]"}',
  c9: 'C',
  c10: '"a"=>"1"',
  c11: '{C}',
}

const withTypes = names.map((name, index) => `${name} ${Object.keys(columns)[index]}`)

test('columns of types defined by the owner of the table', async () => {
  await owner.query(`create table item (id int primary key)`)
  await owner.query(definitions)
  await owner.query(`alter table item ${withTypes.map(column => `add ${column}`).join(', ')}`)
  await install()
  await write()
  expect(await expectOnlyOwnerCalled()).toEqual(written)
})

test('columns changed to such types after installing', async () => {
  await owner.query(`create table item (id int primary key, ${names.map(name => `${name} text`).join(', ')})`)
  await install()
  await owner.query(`insert into item values (0)`)
  await owner.query(definitions)
  for (const column of withTypes) {
    const [name, type] = column.split(' ')
    await owner.query(`alter table item alter ${name} type ${type} using null`)
  }
  await owner.query(`alter table item add later evil default 'x'`)
  await owner.query('truncate item')
  await database.query(`truncate "Odd ""Sch".change`)
  await write()
  expect(await expectOnlyOwnerCalled()).toEqual({ ...written, later: 'x' })
})

test('a session with unusual settings', async () => {
  await owner.query(`create table item (id int primary key)`)
  await owner.query(definitions)
  await owner.query(`alter table item ${withTypes.map(column => `add ${column}`).join(', ')}`)
  await install()
  await owner.query(`set extra_float_digits = 0; set "DateStyle" = 'SQL'; set "IntervalStyle" = 'iso_8601'`)
  await write()
  expect(await expectOnlyOwnerCalled()).toEqual(written)
})

test('no-op updates are detected without the operators of the types', async () => {
  await owner.query(`create table item (id int primary key)`)
  await owner.query(definitions)
  await owner.query(`alter table item ${withTypes.map(column => `add ${column}`).join(', ')}`)
  await capture(database, [model], { noopUpdates: 'ignore', of: { item: { omit: ['c1', 'c4'] } } })
  await write()
  expect(await expectOnlyOwnerCalled()).toEqual(written)
  expect(await database.query(`select from called where what = 'operator'`)).toEqual([])
})
