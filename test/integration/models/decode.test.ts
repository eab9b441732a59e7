import pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { readTableShapes } from '../../../src/db/catalog.ts'
import type { TableShape } from '../../../src/db/table-shape.ts'
import { decodeRow } from '../../../src/models/decode.ts'
import type { Model, ModelRecord } from '../../../src/models/model.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { toPublic } from '../../../src/models/public-record.ts'
import { parseRow } from '../../../src/models/row-json.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import { type Orm, startWaterline } from '../../helpers/waterline.ts'
import { capture, feedDatabase, our } from '../capture/feed-schema.ts'
import { columnValues, typeDefinitions } from './column-values.ts'

const columnTypes = Object.keys(columnValues)
const attributeNames = columnTypes.map((_, index) => `attribute${index}`)
const rowCount = Math.max(...Object.values(columnValues).map(values => values.length)) + 1 // all columns of the last row are null

/** Settings of the writing session. If a condition of `rowSettings` fails, the trigger sets its own. */
const sessions: Record<string, Record<string, string>> = {
  'with the defaults': {},
  'German and verbose': {
    TimeZone: 'America/St_Johns',
    DateStyle: 'German',
    IntervalStyle: 'postgres_verbose',
    bytea_output: 'escape',
    extra_float_digits: '-15',
  },
  'SQL standard': {
    TimeZone: 'Asia/Kathmandu',
    DateStyle: 'SQL, DMY',
    IntervalStyle: 'sql_standard',
    bytea_output: 'escape',
    extra_float_digits: '0',
  },
  'ISO 8601': {
    TimeZone: '<+05:17>-05:17',
    DateStyle: 'Postgres, YMD',
    IntervalStyle: 'iso_8601',
    bytea_output: 'hex',
    extra_float_digits: '3',
  },
}

let database: TestDatabase
let orm: Orm
let model: Model
let shape: TableShape
let found: ModelRecord[]

beforeAll(async () => {
  database = await feedDatabase()
  await database.query(`alter database "${database.name}" set TimeZone = 'UTC'`)
  await database.query(typeDefinitions)
  const columns = columnTypes.map((type, index) => `column${index} ${type}`)
  await database.query(`create table everything_there_is (id serial primary key, ${columns.join(', ')})`)
  for (let row = 0; row < rowCount; row++) await database.query(insertOf(row))
  const attributes = attributeNames.map((name, index) => [name, { type: 'ref', columnName: `column${index}` }])
  const { connectionString } = database
  const definition = { tableName: 'everything_there_is', attributes: Object.fromEntries(attributes) }
  ;({ orm } = await startWaterline({ connectionString, models: { thing: definition } }))
  model = readModels(orm).get('thing') as Model
  shape = await shapeOf('everything_there_is')
  found = await foundRecords()
  await capture(database, [model])
})

const insertOf = (row: number) => {
  const values = Object.entries(columnValues).map(([type, values]) => `cast(${values[row] ?? 'null'} as ${type})`)
  return `insert into everything_there_is values (default, ${values.join(', ')})`
}

async function shapeOf(name: string): Promise<TableShape> {
  const client = await database.connect()
  const [read] = await readTableShapes(client, [{ schema: 'public', name }])
  if (!read) throw new Error(`${name} is not in the catalog`)
  return read
}

/** Numbered from 1, as the rows were inserted one by one. */
async function foundRecords(): Promise<ModelRecord[]> {
  return await Promise.all(Array.from({ length: rowCount }, (_, row) => orm.collections.thing.findOne(row + 1)))
}

/** The rows as the trigger logs them when such a session writes. */
async function writtenRows(settings: Record<string, string>): Promise<string[]> {
  const client = await database.connect()
  await client.query('begin')
  for (const setting of Object.entries(settings)) await client.query('select set_config($1, $2, true)', setting)
  await client.query('update everything_there_is set id = id')
  const { rows } = await client.query<{ row: string; defect: string | null }>(
    `select new as row, defect from ${our('change')} order by (new::json ->> 'id')::int`,
  )
  await client.query('rollback')
  expect(rows.map(({ defect }) => defect)).toEqual(Array.from({ length: rowCount }, () => null))
  return rows.map(({ row }) => row)
}

const decode = (row: string) => {
  const { record, faults } = decodeRow({ model, shape, parsers: pg.types }, parseRow(row, model))
  expect(faults).toEqual([])
  return record
}

describe.each(Object.entries(sessions))('a row written by a session %s', (_, settings) => {
  test('decodes to the record that findOne returns, column by column', async () => {
    const written = await writtenRows(settings)
    const differences = written.flatMap((row, index) => differing(decode(row), found[index] ?? {}))
    expect(differences).toEqual([])
  })

  test('has the same public form as the serialised record of findOne', async () => {
    for (const [index, row] of (await writtenRows(settings)).entries()) {
      const published = toPublic(model, decode(row))
      expect(JSON.stringify(published)).toBe(JSON.stringify(found[index]))
    }
  })
})

/** Lists differences by type, because a diff of two records with a hundred columns is hard to read. */
function differing(decoded: ModelRecord, expected: ModelRecord) {
  return attributeNames.flatMap((name, index) => {
    const same = Object.is(decoded[name], expected[name]) || isEqual(decoded[name], expected[name])
    return same ? [] : [{ type: columnTypes[index], decoded: decoded[name], findOne: expected[name] }]
  })
}

function isEqual(decoded: unknown, expected: unknown): boolean {
  try {
    expect(decoded).toEqual(expected)
    return true
  } catch {
    return false
  }
}
