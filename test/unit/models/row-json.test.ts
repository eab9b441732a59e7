import { describe, expect, test } from 'vitest'
import type { Model } from '../../../src/models/model.ts'
import { changedAttributes, parseRow } from '../../../src/models/row-json.ts'
import { attributeOf } from '../../helpers/attribute.ts'

const model: Model = {
  identity: 'user',
  datastore: 'default',
  schema: 'public',
  table: 'user',
  primaryKey: 'id',
  attributes: new Map(['id', 'name', 'settings'].map(name => [name, attributeOf({ name, column: `${name}_column` })])),
  associations: [],
  linkedCollections: [],
  readers: 'all',
}

describe('a row', () => {
  test('maps columns to their text', () => {
    const row = String.raw`{"id" : "9007199254740993", "odd \"key\"" : "a\\", "doc" : "{\"b\": 1.50}", "__proto__" : "x", "none" : null}`
    expect([...parseRow(row, model)]).toEqual([
      ['id', '9007199254740993'],
      ['odd "key"', 'a\\'],
      ['doc', '{"b": 1.50}'],
      ['__proto__', 'x'],
      ['none', null],
    ])
  })

  test('may be without columns', () => {
    expect(parseRow('{}', model).size).toBe(0)
  })

  test.each(['', 'null', '[]', '"secret"', '{', '{"a":"secret}', '{"a":1}', '{"a":["secret"]}', '{"a":{}}'])(
    'is rejected when it is %j, with an error that does not quote it',
    text => {
      expect(() => parseRow(text, model)).toThrow(
        expect.objectContaining({ code: 'E_DECODE', message: expect.stringMatching(/`user`(?!.*secret)/) }),
      )
    },
  )
})

describe('changed attributes', () => {
  const changed = (before: string, after: string) => [
    ...changedAttributes(model, parseRow(before, model), parseRow(after, model)),
  ]

  test('are those whose column text differs', () => {
    expect(changed('{"id_column":"1","name_column":"a"}', '{"id_column":"1","name_column":"b"}')).toEqual(['name'])
    expect(changed('{"id_column":"9007199254740992"}', '{"id_column":"9007199254740993"}')).toEqual(['id'])
    expect(changed('{"settings_column":"{\\"a\\":1}"}', '{"settings_column":"{\\"a\\": 1}"}')).toEqual(['settings'])
    expect(changed('{"name_column":null}', '{"name_column":"null"}')).toEqual(['name'])
  })

  test('ignore columns that the model does not have', () => {
    expect(changed('{"id_column":"1","other":"1"}', '{"id_column":"1","other":"2"}')).toEqual([])
  })
})
