import { describe, expect, test } from 'vitest'
import type { Attribute, Model, ModelRecord } from '../../../src/models/model.ts'
import { toPublic } from '../../../src/models/public-record.ts'
import { resolveVisibility } from '../../../src/models/visibility.ts'
import { attributeOf } from '../../helpers/attribute.ts'

function modelWith(customToJSON?: Model['customToJSON']): Model {
  const attributes = [
    { name: 'id', type: 'number' },
    { name: 'name', column: 'full_name', type: 'string' },
    { name: 'pin', column: 'secret_pin', type: 'string' },
    { name: 'ssn', type: 'string', encrypt: true },
    ...['at', 'none', 'gone', 'infinite', 'nested', 'bytes', 'doc'].map(name => ({ name })),
  ].map(each => attributeOf(each as Partial<Attribute> & { name: string }))
  return {
    identity: 'user',
    datastore: 'default',
    schema: 'public',
    table: 'user',
    primaryKey: 'id',
    attributes: new Map(attributes.map(each => [each.name, each])),
    associations: [],
    linkedCollections: [],
    readers: 'all',
    ...(customToJSON && { customToJSON }),
  }
}

const withoutPin = (model: Model) => resolveVisibility(model, { omit: ['pin'] })

/** A record as Waterline returns it. */
function asFound(record: ModelRecord, customToJSON: () => unknown): ModelRecord {
  return Object.defineProperty({ ...record }, 'toJSON', { writable: true, value: customToJSON })
}

describe('without customToJSON', () => {
  test('values are as in JSON, except Buffers, which are kept', () => {
    const record = {
      id: 1,
      at: new Date(Date.UTC(2020, 1, 29)),
      none: null,
      gone: undefined,
      infinite: Number.POSITIVE_INFINITY,
      nested: { list: [undefined, new Date(0), Number.NaN], gone: undefined },
      bytes: Buffer.from([0, 255]),
    }
    const shown = toPublic(modelWith(), record)
    expect(shown).toStrictEqual({
      id: 1,
      at: '2020-02-29T00:00:00.000Z',
      none: null,
      infinite: null,
      nested: { list: [null, '1970-01-01T00:00:00.000Z', null] },
      bytes: Buffer.from([0, 255]),
    })
    expect(JSON.stringify(shown)).toBe(JSON.stringify(record))
  })

  test('encrypted, omitted and unknown attributes are removed', () => {
    const record = { id: 1, name: 'Ann', pin: '1234', ssn: 'ciphertext', full_name: 'Ann', other: 'unknown' }
    expect(toPublic(modelWith(), record)).toEqual({ id: 1, name: 'Ann', pin: '1234' })
    expect(toPublic(withoutPin(modelWith()), record)).toEqual({ id: 1, name: 'Ann' })
  })
})

describe('customToJSON', () => {
  const record = { id: 1, name: 'Ann', pin: '1234', ssn: 'ciphertext', at: new Date(0), doc: { list: [1] } }

  test.each<[string, (this: ModelRecord) => unknown]>([
    [
      'that picks',
      function () {
        return { name: this.name, at: this.at }
      },
    ],
    [
      'that gives its own record',
      function () {
        return this
      },
    ],
    [
      'that adds',
      function () {
        return { ...this, upper: String(this.name).toUpperCase(), ssn: undefined }
      },
    ],
    ['that gives something with toJSON', () => ({ at: { toJSON: () => 'now' } })],
  ])('%s is serialised as by Waterline', (_, customToJSON) => {
    const model = modelWith(customToJSON as Model['customToJSON'])
    const { ssn: _ssn, ...visible } = record
    expect(JSON.stringify(toPublic(model, record))).toBe(JSON.stringify(asFound(visible, customToJSON)))
  })

  test('cannot restore hidden attributes, by attribute or column name', () => {
    const model = modelWith(() => ({ name: 'Ann', ssn: 'x', pin: 'y', secret_pin: 'z', full_name: 'Ann' }))
    expect(toPublic(withoutPin(model), record)).toEqual({ name: 'Ann', full_name: 'Ann' })
  })

  test('does not receive hidden attributes', () => {
    const model = modelWith(function () {
      return { seen: Object.keys(this) }
    })
    expect(toPublic(withoutPin(model), record)).toEqual({
      seen: ['id', 'name', 'at', 'doc'],
    })
  })

  test('may modify its record without modifying the original', () => {
    const model = modelWith(function () {
      const own = this as { name?: string; doc: { list: number[] }; at: Date }
      delete own.name
      own.doc.list.push(2)
      own.at.setTime(1)
      return own
    })
    expect(toPublic(model, record)).toMatchObject({ doc: { list: [1, 2] }, at: '1970-01-01T00:00:00.001Z' })
    expect(record).toMatchObject({ name: 'Ann', doc: { list: [1] }, at: new Date(0) })
  })

  test.each([undefined, null, 'text', 1, [1]])('that returns %j is rejected', value => {
    expect(() =>
      toPublic(
        modelWith(() => value),
        record,
      ),
    ).toThrow(expect.objectContaining({ code: 'E_MODEL', message: expect.stringContaining('`user`') }))
  })

  test('may throw, and the error is rethrown', () => {
    const model = modelWith(() => {
      throw new Error('no')
    })
    expect(() => toPublic(model, record)).toThrow('no')
  })

  test('cannot return a BigInt', () => {
    expect(() =>
      toPublic(
        modelWith(() => ({ big: 1n })),
        record,
      ),
    ).toThrow('`big` is a BigInt')
  })
})
