import pg from 'pg'
import { describe, expect, test, vi } from 'vitest'
import { readTableShapes } from '../../../src/db/catalog.ts'
import type { ColumnShape, TableShape, TypeShape } from '../../../src/db/table-shape.ts'
import { decodeRow, fitsShape } from '../../../src/models/decode.ts'
import type { Attribute, Model } from '../../../src/models/model.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { toPublic } from '../../../src/models/public-record.ts'
import { parseRow } from '../../../src/models/row-json.ts'
import { withAttributes } from '../../../src/models/visibility.ts'
import { attributeOf } from '../../helpers/attribute.ts'
import { testDatabase } from '../../helpers/database.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { rowsAsLogged } from './logged-rows.ts'
import { definitions } from './models.ts'

describe('a record that Waterline wrote', () => {
  test('is decoded as Waterline reads it', async () => {
    const database = await testDatabase()
    const { connectionString } = database
    const { orm } = await startWaterline({ connectionString, models: definitions, migrate: 'drop' })
    const { user, pet } = orm.collections
    await user.create({ name: 'Bob' })
    await user.create({
      name: 'Ann',
      ssn: '078-05-1120',
      settings: [{ b: 1, a: [] }],
      avatar: Buffer.from([0, 255]),
      boss: 1,
    })
    await pet.create({ tag: 'rex', owner: 2 })
    await database.query(`update people set "createdAt" = null where id = 1`)
    vi.spyOn(console, 'warn').mockImplementation(() => {}) // Waterline warns about that

    for (const [identity, ids] of [
      ['user', [1, 2]],
      ['pet', ['rex']],
    ] as const) {
      const model = modelOf(readModels(orm), identity)
      const shape = await shapeOf(database, model.table)
      for (const id of ids) {
        const [row] = await database.query<{ row: string }>(
          `${rowsAsLogged(shape, `to_jsonb(new) ->> '${model.attributes.get(model.primaryKey)?.column}' = $1`)}`,
          [String(id)],
        )
        const found = await orm.collections[identity].findOne(id)
        const whole = withAttributes(model, () => ({ captured: true }))
        const target = { model: whole, shape, parsers: pg.types }
        const decoded = decodeRow(target, parseRow(row?.row ?? '', model)).record
        expect(decoded).toEqual(found)
        expect(Object.keys(decoded)).toEqual(Object.keys(found))
        expect(JSON.stringify(toPublic(model, decoded))).toBe(JSON.stringify(found))
      }
    }
  })
})

function modelOf(models: ReadonlyMap<string, Model>, identity: string): Model {
  const model = models.get(identity)
  if (!model) throw new Error(`No model ${identity}`)
  return model
}

async function shapeOf(database: Awaited<ReturnType<typeof testDatabase>>, name: string): Promise<TableShape> {
  const [shape] = await readTableShapes(await database.connect(), [{ schema: 'public', name }])
  if (!shape) throw new Error(`No table ${name}`)
  return shape
}

const text: TypeShape = { kind: 'base', oid: 25, name: 'text' }
const int8: TypeShape = { kind: 'base', oid: 20, name: 'int8' }
const json: TypeShape = { kind: 'base', oid: 114, name: 'json' }

const column = (name: string, type: TypeShape, generated: ColumnShape['generated'] = 'no'): ColumnShape => ({
  name,
  number: 1,
  type,
  notNull: false,
  generated,
})

function shapeWith(...columns: ColumnShape[]): TableShape {
  const byName = new Map(columns.map(each => [each.name, each]))
  return {
    oid: 1,
    schema: 'public',
    name: 'user',
    kind: 'table',
    isPartition: false,
    unlogged: false,
    columns: byName,
    uniqueKeys: [],
  }
}

function modelWith(...attributes: (Partial<Attribute> & { readonly name: string })[]): Model {
  const complete = attributes.map(attributeOf)
  const byName = new Map(complete.map(each => [each.name, each]))
  return {
    ...{ identity: 'user', datastore: 'default', schema: 'public', table: 'user' },
    primaryKey: 'id',
    attributes: byName,
    associations: [],
    linkedCollections: [],
    readers: 'all',
  }
}

const decode = (model: Model, shape: TableShape, row: string, parsers = pg.types) =>
  decodeRow({ model, shape, parsers }, parseRow(row, model)).record

describe('omitted from a record', () => {
  const shape = shapeWith(
    column('id', int8),
    column('full_name', text),
    column('pin', text),
    column('twice', int8, 'virtual'),
  )

  test('columns that the model does not have', () => {
    const model = modelWith({ name: 'name', column: 'full_name' })
    expect(decode(model, shape, '{"id":"1","full_name":"Ann","pin":"1"}')).toEqual({ name: 'Ann' })
  })

  test('attributes that are not captured, even if the row contains them', () => {
    const model = modelWith({ name: 'id' }, { name: 'secret', column: 'pin', captured: false })
    expect(decode(model, shape, '{"id":"1","pin":"1"}')).toEqual({ id: '1' })
    expect(decode(model, shape, '{"id":"1","pin":null}')).toEqual({ id: '1' })
  })

  test('virtual generated columns, which a trigger sees as null', () => {
    const model = modelWith({ name: 'id' }, { name: 'twice' })
    expect(decode(model, shape, '{"id":"1","twice":null}')).toEqual({ id: '1' })
  })

  test('columns that the row or the table does not have', () => {
    const model = modelWith({ name: 'id' }, { name: 'name', column: 'full_name' }, { name: 'dropped' })
    const row = '{"id":"1","dropped":"x"}'
    expect(decode(model, shape, row)).toEqual({ id: '1' })
    expect(fitsShape(shape, parseRow(row, model))).toBe(false)
    expect(fitsShape(shape, parseRow('{"id":"1"}', model))).toBe(true)
  })
})

test('values are decoded with the parsers that are currently set', () => {
  const parsers = { ...pg.types, getTypeParser: () => (value: string) => BigInt(value) } as unknown as typeof pg.types
  expect(decode(modelWith({ name: 'id' }), shapeWith(column('id', int8)), '{"id":"1"}', parsers)).toEqual({
    id: 1n,
  })
})

test('timestamps decode as in sails-postgresql: a number to a number, null to 0, a string unchanged', () => {
  const model = modelWith(
    { name: 'createdAt', type: 'number', autoTimestamp: true },
    { name: 'updatedAt', type: 'string', autoTimestamp: true },
  )
  const shape = shapeWith(column('createdAt', int8), column('updatedAt', int8))
  expect(decode(model, shape, '{"createdAt":"1600000000000","updatedAt":"7"}')).toEqual({
    createdAt: 1600000000000,
    updatedAt: '7',
  })
  expect(decode(model, shape, '{"createdAt":null,"updatedAt":null}')).toEqual({ createdAt: 0, updatedAt: null })
})

describe('a value that cannot be decoded', () => {
  const withDoc = (type: TypeShape, text: string, ...attributes: Partial<Attribute>[]) => {
    const model = modelWith({ name: 'id' }, { name: 'doc', column: 'the_doc', ...attributes[0] })
    const shape = shapeWith(column('id', int8), column('the_doc', type))
    return () =>
      decodeRow({ model, shape, parsers: pg.types }, parseRow(JSON.stringify({ id: '1', the_doc: text }), model))
  }

  test.each<[string, TypeShape, string, RegExp]>([
    ['invalid JSON', json, 'secret', /"the_doc" \(json\) of model `user`/],
    ['an invalid number', int8, '1.75', /"the_doc" \(int8\)/],
    ['an invalid array', { kind: 'array', oid: 1007, name: '_int4', element: int8, delimiter: ',' }, 'secret', /_int4/],
  ])('%s: the record omits it, and the fault does not contain the value', (_, type, text, message) => {
    const { record, faults } = withDoc(type, text)()
    expect(record).toEqual({ id: '1' })
    expect(faults).toEqual([expect.stringMatching(message)])
    expect(faults.join()).not.toMatch(/secret|1\.75/)
  })

  test('a key: decoding throws', () => {
    const attempt = withDoc(int8, 'secret', { model: 'parent' })
    expect(attempt).toThrow(expect.objectContaining({ code: 'E_DECODE', message: expect.stringMatching(/the_doc/) }))
    expect(attempt).not.toThrow(/secret/)
  })
})
