import type pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { readTableShapes, type TableRef } from '../../../src/db/catalog.ts'
import { rowSettings } from '../../../src/db/row-settings.ts'
import type { TableShape, TypeShape } from '../../../src/db/table-shape.ts'
import { type TestDatabase, testDatabase } from '../../helpers/database.ts'

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await testDatabase()
  client = await database.connect()
  await client.query(`
    create domain instant as timestamptz;
    create type instants as (at timestamptz);
    create type floats as range (subtype = float8);
    create schema "Odd ""Sch";
    create type mood as enum ('sad', 'ok');
    create domain positive as int check (value > 0);
    create domain small as positive not null;
    create domain numbers as int[];
    create type inside as (label text, moods mood[]);
    create type outside as (pair inside, many inside[], bound tstzrange);
    create table "Odd ""Sch"."Mixed ""Case" (
      "The ""Id" bigserial primary key,
      gone text,
      email text not null,
      first text,
      last text,
      full_name text generated always as (first || last) stored
    );
    alter table "Odd ""Sch"."Mixed ""Case" drop column gone;
    create unique index a_partial on "Odd ""Sch"."Mixed ""Case" (first) where first <> '';
    create unique index an_expression on "Odd ""Sch"."Mixed ""Case" (lower(email));
    create unique index two_columns on "Odd ""Sch"."Mixed ""Case" (last, email) include (first);
    create index not_unique on "Odd ""Sch"."Mixed ""Case" (email);
    alter table "Odd ""Sch"."Mixed ""Case" add constraint late unique (last) deferrable;
    create table typed (
      small small, numbers numbers, moods mood[][], boxes box[], whole outside, ranges int4range, vector int2vector,
      code varchar(3)[], domains positive[], unbound numeric
    );
    create table parted (id int, at date, primary key (at, id)) partition by range (at);
    create table parted_2020 partition of parted for values from ('2020-01-01') to ('2021-01-01');
    create view seen as select * from typed;
    create table empty ();
  `)
})

const read = async (...tables: TableRef[]) => await readTableShapes(client, tables)

async function readOne(name: string, schema = 'public'): Promise<TableShape> {
  const [shape] = await read({ schema, name })
  if (!shape) throw new Error(`${name} was not found`)
  return shape
}

test('reads odd names, columns in order without dropped ones, and only keys that cover every row', async () => {
  const shape = await readOne('Mixed "Case', 'Odd "Sch')
  expect(shape).toMatchObject({ schema: 'Odd "Sch', name: 'Mixed "Case', kind: 'table', isPartition: false })
  expect([...shape.columns.values()].map(({ name, notNull, generated }) => [name, notNull, generated])).toEqual([
    ['The "Id', true, 'no'],
    ['email', true, 'no'],
    ['first', false, 'no'],
    ['last', false, 'no'],
    ['full_name', false, 'stored'],
  ])
  expect(shape.columns.get('The "Id')?.type).toEqual({ kind: 'base', oid: 20, name: 'int8' })
  expect(shape.uniqueKeys).toEqual([['The "Id'], ['last', 'email']])
})

test('distinguishes virtual generated columns', async context => {
  const { rows } = await client.query<{ version: number }>(
    "select current_setting('server_version_num')::int as version",
  )
  if ((rows[0]?.version ?? 0) < 180_000) context.skip()
  await client.query('create table doubled (one int, two int generated always as (one * 2) virtual)')
  expect((await readOne('doubled')).columns.get('two')?.generated).toBe('virtual')
})

test('includes the parts of composed types', async () => {
  const { columns } = await readOne('typed')
  const type = (name: string) => outline(columns.get(name)?.type)
  expect(type('small')).toEqual({ small: { positive: 'int4' } })
  expect(type('numbers')).toEqual({ numbers: ['int4', ','] })
  expect(type('moods')).toEqual(['enum mood', ','])
  expect(type('boxes')).toEqual(['box', ';'])
  expect(type('ranges')).toBe('range int4range')
  expect(type('vector')).toBe('int2vector')
  expect(type('code')).toEqual(['varchar', ','])
  expect(type('domains')).toEqual([{ positive: 'int4' }, ','])
  const inside = { label: 'text', moods: ['enum mood', ','] }
  expect(type('whole')).toEqual({ pair: inside, many: [inside, ','], bound: 'range tstzrange' })
})

/** A type without its oids, which differ from database to database. */
function outline(type: TypeShape | undefined): unknown {
  if (!type) return undefined
  switch (type.kind) {
    case 'domain':
      return { [type.name]: outline(type.base) }
    case 'array':
      return [outline(type.element), type.delimiter]
    case 'composite':
      return Object.fromEntries(type.fields.map(field => [field.name, outline(field.type)]))
    default:
      return type.kind === 'base' ? type.name : `${type.kind} ${type.name}`
  }
}

test('distinguishes kinds of tables', async () => {
  expect(await readOne('parted')).toMatchObject({ kind: 'partitioned', isPartition: false, uniqueKeys: [['at', 'id']] })
  expect(await readOne('parted_2020')).toMatchObject({ kind: 'table', isPartition: true, uniqueKeys: [['at', 'id']] })
  expect(await readOne('seen')).toMatchObject({ kind: 'view' })
  expect(await readOne('empty')).toMatchObject({ kind: 'table', columns: new Map(), uniqueKeys: [] })
  expect(await readOne('pg_class_oid_index', 'pg_catalog')).toMatchObject({ kind: 'other' })
})

test('reads many tables by name or oid in the requested order, undefined for missing ones', async () => {
  const { oid } = await readOne('typed')
  const shapes = await read(
    { schema: 'public', name: 'seen' },
    { schema: 'nowhere', name: 'typed' },
    { oid },
    { schema: 'public', name: 'Typed' },
    { schema: 'public', name: 'typed' },
    { oid: 1 },
  )
  expect(shapes.map(shape => shape?.name)).toEqual(['seen', undefined, 'typed', undefined, 'typed', undefined])
  expect(await read()).toEqual([])
})

test('a role without privileges reads the same, whatever parsers the app has set', async () => {
  const { connectionString } = await database.role()
  const types = { getTypeParser: () => (value: string) => value }
  const stranger = await database.connect({ connectionString, types })
  const [shape] = await readTableShapes(stranger, [{ schema: 'Odd "Sch', name: 'Mixed "Case' }])
  expect(shape).toEqual(await readOne('Mixed "Case', 'Odd "Sch'))
})

describe('settings that a row must be written under', () => {
  const settings = async (...columns: string[]) => {
    await client.query('drop table if exists written')
    await client.query(`create table written (${columns.map((type, index) => `c${index} ${type}`).join(', ')})`)
    const conditions = rowSettings(await readOne('written'))
    return conditions.map(condition => /current_setting\('(\w+)'\)/.exec(condition)?.[1]).sort()
  }

  test('none for types that decode under any settings', async () => {
    const types = ['int8', 'numeric', 'text', 'bytea', 'time', 'json', 'mood', 'int4range']
    expect(await settings(...types)).toEqual([])
  })

  test.each([
    ['date', ['DateStyle']],
    ['timestamptz', ['DateStyle']],
    ['timestamptz[]', ['DateStyle']],
    ['float8', ['extra_float_digits']],
    ['point[]', ['extra_float_digits']],
    ['interval', ['IntervalStyle']],
    ['daterange', ['DateStyle']],
    ['tstzrange', ['DateStyle', 'TimeZone']],
    ['outside', ['DateStyle', 'TimeZone']],
    ['instants', ['DateStyle', 'TimeZone']],
    ['instant[]', ['DateStyle', 'TimeZone']],
    ['floats', ['DateStyle', 'IntervalStyle', 'TimeZone', 'bytea_output', 'extra_float_digits']],
  ])('for %s: %j', async (type, names) => {
    expect(await settings('text', type)).toEqual(names)
  })
})
