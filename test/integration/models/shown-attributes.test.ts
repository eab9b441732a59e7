import { expect, test } from 'vitest'
import { readModels } from '../../../src/models/model-map.ts'
import { attributesShownAsStored, maskedAttributes } from '../../../src/models/shown-attributes.ts'
import { resolveVisibility } from '../../../src/models/visibility.ts'
import { attributeOf } from '../../helpers/attribute.ts'
import { testDatabase } from '../../helpers/database.ts'
import { type ModelDefinition, startWaterline } from '../../helpers/waterline.ts'

type ToJson = NonNullable<ModelDefinition['customToJSON']>

const attributes: ModelDefinition['attributes'] = {
  name: { type: 'string' },
  email: { type: 'string' },
  pin: { type: 'string', encrypt: true },
  age: { type: 'number' },
  isPrivate: { type: 'boolean' },
  tags: { type: 'json' },
  friend: { model: 'user' },
  updatedAt: { type: 'number', autoUpdatedAt: true },
}

type User = Record<string, unknown> & { name: string; email: string; age: number; tags: unknown[] }

const ALL = ['age', 'email', 'friend', 'id', 'isPrivate', 'name', 'tags', 'updatedAt']
const without = (...names: string[]) => ALL.filter(name => !names.includes(name))

const cases: [string, ToJson | undefined, string[]][] = [
  ['no function', undefined, ALL],
  [
    'a copy',
    function (this: object) {
      return { ...this }
    },
    ALL,
  ],
  [
    'an omitted attribute',
    function (this: object) {
      const { name, ...rest } = this as User
      return rest
    },
    without('name'),
  ],
  [
    'an undefined attribute',
    function (this: object) {
      return { ...this, name: undefined }
    },
    without('name'),
  ],
  [
    'a mask',
    function (this: object) {
      return { ...this, email: (this as User).email?.replace(/.(?=.*@)/g, '*') }
    },
    without('email'),
  ],
  [
    'a mask that fails for null',
    function (this: object) {
      const { email } = this as User
      return { ...this, email: `*${email.slice(1)}` }
    },
    without('email'),
  ],
  [
    'truncated long text',
    function (this: object) {
      return { ...this, name: (this as User).name?.slice(0, 40) }
    },
    without('name'),
  ],
  [
    'rounded numbers',
    function (this: object) {
      const { age } = this as User
      return { ...this, age: age === null ? null : Math.round(age) }
    },
    without('age', 'friend').concat('friend').sort(),
  ],
  [
    'hidden if another attribute is true',
    function (this: object) {
      const { email, ...rest } = this as User
      return rest.isPrivate ? rest : this
    },
    without('email'),
  ],
  [
    'hidden if another attribute is false',
    function (this: object) {
      const { email, ...rest } = this as User
      return rest.isPrivate ? this : rest
    },
    without('email'),
  ],
  [
    'part of some JSON',
    function (this: object) {
      const { tags } = this as User
      return { ...this, tags: Array.isArray(tags) ? tags.slice(0, 1) : tags }
    },
    without('tags'),
  ],
  [
    'renamed',
    function (this: object) {
      const { name, ...rest } = this as User
      return { ...rest, title: name }
    },
    without('name'),
  ],
  [
    'a throw',
    () => {
      throw new Error('no')
    },
    ['id'],
  ],
  ['a promise', async () => ({}), []],
]

test.each(cases)('%s', async (_name, customToJSON, shown) => {
  const { connectionString } = await testDatabase()
  const models = { user: { attributes, ...(customToJSON && { customToJSON }) } }
  const { collections } = await startWaterline({ connectionString, models })
  const user = readModels(collections).get('user')
  if (!user) throw new Error('no model')
  expect([...attributesShownAsStored(user)].sort()).toEqual(shown)
  expect([...attributesShownAsStored(resolveVisibility(user, { omit: ['age'] }))]).not.toContain('age')
  expect([...attributesShownAsStored(user)]).not.toContain('pin')
})

test('dates and JSON of a real record are compared as sent', async () => {
  const model = {
    identity: 'event',
    datastore: 'd',
    schema: 'public',
    table: 'event',
    primaryKey: 'id',
    associations: [],
    linkedCollections: [],
    readers: 'all',
    attributes: new Map(['id', 'at', 'data', 'kind'].map(name => [name, attributeOf({ name })])),
    customToJSON(this: object) {
      const { kind } = this as { kind: string }
      return { ...this, ...(kind === 'vip' && { data: null }) }
    },
  } as const
  const record = { id: 1, at: new Date(), data: { a: [1] }, kind: 'plain' }
  expect(maskedAttributes(model, record)).toEqual(new Set())
  expect(maskedAttributes(model, { ...record, kind: 'vip' })).toEqual(new Set(['data']))
})
