import fc from 'fast-check'
import pg from 'pg'
import { expect, test } from 'vitest'
import { readTableShapes } from '../../../src/db/catalog.ts'
import { decodeRow } from '../../../src/models/decode.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { parseRow } from '../../../src/models/row-json.ts'
import { testDatabase } from '../../helpers/database.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { rowsAsLogged } from './logged-rows.ts'

const text = fc.string({ unit: 'binary', maxLength: 12 }).map(value => value.replaceAll('\0', ''))
const tricky = fc.oneof(
  text,
  fc.string({ unit: fc.constantFrom(...'{}()[]",\\ \'nul\n:=>0'), maxLength: 8 }),
  fc.constantFrom('NULL', 'null', ''),
)
const int8 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)
const numeric = fc
  .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.nat(30))
  .map(([digits, exponent]) => `${digits}e-${exponent}`)
const float8 = fc.double().map(value => (Object.is(value, -0) ? '-0' : String(value)))
const instant = fc.integer({ min: -60_000_000_000, max: 200_000_000_000 }).map(seconds => `epoch ${seconds}`)
const json = fc.json({ stringUnit: 'grapheme' }).filter(value => !value.includes('\\u0000'))
const flag = fc.constantFrom('true', 'false')

const orNull = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { freq: 6 })
const list = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.array(orNull(arbitrary), { maxLength: 4 })

/** Column, the expression for its value, and the generator of parameters. */
const columns: readonly (readonly [type: string, expression: (parameter: string) => string, fc.Arbitrary<unknown>])[] =
  [
    ['text', parameter => `${parameter}::text`, orNull(tricky)],
    ['int8', parameter => `${parameter}::int8`, orNull(int8)],
    ['numeric', parameter => `${parameter}::numeric`, orNull(numeric)],
    ['float8', parameter => `${parameter}::float8`, orNull(float8)],
    ['bool', parameter => `${parameter}::bool`, orNull(flag)],
    ['bytea', parameter => `${parameter}::bytea`, orNull(fc.uint8Array().map(bytes => Buffer.from(bytes)))],
    ['json', parameter => `${parameter}::json`, orNull(fc.json())],
    ['jsonb', parameter => `${parameter}::jsonb`, orNull(json)],
    [
      'timestamptz',
      parameter => `timestamptz 'epoch' + make_interval(secs => replace(${parameter}::text, 'epoch ', '')::float8)`,
      orNull(instant),
    ],
    ['text[]', parameter => `${parameter}::text[]`, orNull(list(tricky))],
    ['citext[]', parameter => `${parameter}::citext[]`, orNull(list(tricky))],
    ['int8[]', parameter => `${parameter}::int8[]`, orNull(list(int8))],
    ['jsonb[]', parameter => `${parameter}::jsonb[]`, orNull(list(json))],
    ['pair', parameter => `((${parameter}::text[])[1], ${parameter}::text[])::pair`, list(tricky)],
    ['hstore', parameter => `hstore(${parameter}::text[], ${parameter}::text[])`, fc.array(tricky, { maxLength: 4 })],
  ]

test('any row decodes to the record that find returns', async () => {
  const database = await testDatabase()
  await database.query(
    'create extension citext; create extension hstore; create type pair as (label text, labels text[])',
  )
  const definition = columns.map(([type], index) => `c${index} ${type}`)
  await database.query(`create table anything (id serial primary key, ${definition.join(', ')})`)
  const attributes = Object.fromEntries(columns.map((_, index) => [`c${index}`, { type: 'ref' }]))
  const { connectionString } = database
  const { orm } = await startWaterline({ connectionString, models: { anything: { attributes } } })
  const [model, client] = [readModels(orm).get('anything'), await database.connect()]
  const [shape] = await readTableShapes(client, [{ schema: 'public', name: 'anything' }])
  if (!model || !shape) throw new Error('The table or its model is missing')
  const target = { model, shape, parsers: pg.types }
  const places = columns.map(([, expression], index) => expression(`$${index + 1}`))
  const insert = `insert into anything values (default, ${places.join(', ')})`

  const row = fc.tuple(...columns.map(([, , arbitrary]) => arbitrary))
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async rows => {
      await client.query('truncate anything')
      for (const values of rows) await client.query(insert, values)
      const written = await client.query<{ row: string }>(rowsAsLogged(shape))
      const decoded = written.rows.map(each => decodeRow(target, parseRow(each.row, model)).record)
      expect(decoded).toEqual(await orm.collections.anything.find().sort('id'))
    }),
    { numRuns: 60 },
  )
})
