import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Model } from '../../src/ontology/model.ts'
import { changedAttributes, parseRow, readArray, readObject } from '../../src/ontology/row-json.ts'

const model: Model = {
  identity: 'user',
  datastore: 'default',
  schema: 'public',
  table: 'user',
  primaryKey: 'id',
  attributes: new Map(
    ['id', 'name', 'settings'].map(name => [
      name,
      { name, column: `${name}_column`, type: 'ref', encrypt: false, autoTimestamp: false },
    ]),
  ),
  associations: [],
}

describe('a row', () => {
  test('is taken apart without reading the values', () => {
    const row = String.raw`{"id":9007199254740993,"odd \"key\"":"a\\","doc": {"b": 1.50, "a": "}"} ,"list":[[1],"]"],"none":null}`
    expect([...parseRow(row, model)]).toEqual([
      ['id', '9007199254740993'],
      ['odd "key"', String.raw`"a\\"`],
      ['doc', ' {"b": 1.50, "a": "}"} '],
      ['list', '[[1],"]"]'],
      ['none', 'null'],
    ])
  })

  test('may be without columns', () => {
    expect(parseRow('{}', model).size).toBe(0)
  })

  test('may hold JSON deeper than any stack', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    expect(parseRow(`{"doc":${deep}}`, model).get('doc')).toBe(deep)
  })

  test('may hold a string of millions of escapes', () => {
    const text = JSON.stringify('\\"'.repeat(1_000_000))
    expect(parseRow(`{"text":${text}}`, model).get('text')).toBe(text)
  })

  test.each([
    '',
    'null',
    '[]',
    '{',
    '{"a"}',
    '{"a":}',
    '{"a":1',
    '{"a":1,}',
    '{"a":1}}',
    '{"a":"secret}',
    '{"a":[1}',
    '{a:1}',
    '{"a":1 2}',
  ])('is refused when it is %j, without saying what it held', text => {
    expect(() => parseRow(text, model)).toThrow(
      expect.objectContaining({ code: 'E_DECODE', message: expect.stringMatching(/`user`(?!.*secret)/) }),
    )
  })
})

test('members and elements of any JSON are found where JSON.parse finds them', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), fc.nat(2), (value, indent) => {
      const members = readObject(JSON.stringify(value, null, indent))
      expect(members.map(([key, source]) => [key, JSON.parse(source)])).toEqual(
        Object.entries(JSON.parse(JSON.stringify(value))),
      )
      const elements = readArray(JSON.stringify(Object.values(value), null, indent))
      expect(elements.map(source => JSON.parse(source))).toEqual(JSON.parse(JSON.stringify(Object.values(value))))
    }),
  )
})

describe('changed attributes', () => {
  const changed = (before: string, after: string) => [
    ...changedAttributes(model, parseRow(before, model), parseRow(after, model)),
  ]

  test('are those whose column has another text', () => {
    expect(changed('{"id_column":1,"name_column":"a"}', '{"id_column":1,"name_column":"b"}')).toEqual(['name'])
    expect(changed('{"id_column":9007199254740992}', '{"id_column":9007199254740993}')).toEqual(['id'])
    expect(changed('{"settings_column":{"a":1}}', '{"settings_column":{"a": 1}}')).toEqual(['settings'])
    expect(changed('{"name_column":null}', '{"name_column":"null"}')).toEqual(['name'])
  })

  test('are none of the columns that the model does not have', () => {
    expect(changed('{"id_column":1,"other":1}', '{"id_column":1,"other":2}')).toEqual([])
  })
})
