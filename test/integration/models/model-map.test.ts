import { describe, expect, test } from 'vitest'
import type { Models } from '../../../src/models/model.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { adapterTypeParsers } from '../../../src/models/type-parsers.ts'
import { testDatabase } from '../../helpers/database.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { definitions } from './models.ts'
import { loadSailsModels } from './sails-models.ts'

const fromWaterline = async () => {
  const { connectionString } = await testDatabase()
  return (await startWaterline({ connectionString, models: definitions })).orm.collections
}

const fromSails = async () => await loadSailsModels((await testDatabase()).connectionString, definitions)

describe.each(Object.entries({ Waterline: fromWaterline, Sails: fromSails }))('the models of %s', (_, start) => {
  test('are read with their columns, associations and junctions', async () => {
    const models = readModels(await start())

    expect([...models.keys()].sort()).toEqual([
      'archive',
      'course',
      'course_students__user_courses',
      'group',
      'membership',
      'pet',
      'pet_likes_pet__user_likes',
      'profile',
      'user',
      'user_followers__user_follows',
      'user_friends__user_friends_user',
    ])
    expect(models.get('user')).toMatchObject({ identity: 'user', schema: 'public', table: 'people', primaryKey: 'id' })
    expect(attributesOf(models, 'user')).toEqual(
      [
        { name: 'boss', column: 'boss', type: 'number', encrypt: false, autoTimestamp: false, model: 'user' },
        { name: 'createdAt', column: 'createdAt', type: 'number', encrypt: false, autoTimestamp: true },
        { name: 'name', column: 'full_name', type: 'string', encrypt: false, autoTimestamp: false },
        { name: 'profile', column: 'profile', type: 'number', encrypt: false, autoTimestamp: false, model: 'profile' },
        { name: 'ssn', column: 'ssn', type: 'string', encrypt: true, autoTimestamp: false },
        { name: 'updatedAt', column: 'updated_at', type: 'string', encrypt: false, autoTimestamp: true },
        { name: 'avatar', column: 'avatar', type: 'ref', encrypt: false, autoTimestamp: false },
        { name: 'id', column: 'id', type: 'number', encrypt: false, autoTimestamp: false },
        { name: 'settings', column: 'settings', type: 'json', encrypt: false, autoTimestamp: false },
      ].sort(byName),
    )
    expect(attributesOf(models, 'pet')).toMatchObject([
      { name: 'owner', column: 'owner_id', model: 'user' },
      { name: 'sitter', column: 'sitter', model: 'user' },
      { name: 'tag', column: 'pet_tag' },
    ])
    expect(models.get('pet')?.primaryKey).toBe('tag')
    expect(models.get('user')?.customToJSON?.call({ name: 'Ann', ssn: '1' })).toEqual({ name: 'Ann' })
    expect(models.get('pet')).not.toHaveProperty('customToJSON')

    expect(models.get('user')?.associations).toEqual([
      { type: 'model', alias: 'boss', model: 'user' },
      { type: 'collection', alias: 'reports', collection: 'user', via: 'boss' },
      { type: 'model', alias: 'profile', model: 'profile' },
      { type: 'collection', alias: 'pets', collection: 'pet', via: 'owner' },
      { type: 'collection', alias: 'fostered', collection: 'pet', via: 'sitter' },
      {
        type: 'collection',
        alias: 'courses',
        collection: 'course',
        via: 'students',
        through: 'course_students__user_courses',
      },
      { type: 'collection', alias: 'likes', collection: 'pet', through: 'pet_likes_pet__user_likes' },
      { type: 'collection', alias: 'friends', collection: 'user', through: 'user_friends__user_friends_user' },
      {
        type: 'collection',
        alias: 'follows',
        collection: 'user',
        via: 'followers',
        through: 'user_followers__user_follows',
      },
      {
        type: 'collection',
        alias: 'followers',
        collection: 'user',
        via: 'follows',
        through: 'user_followers__user_follows',
      },
      { type: 'collection', alias: 'groups', collection: 'group', via: 'member', through: 'membership' },
    ])
    expect(junctionOf(models, 'course_students__user_courses')).toEqual([
      { attribute: 'course_students', identity: 'course', alias: 'students' },
      { attribute: 'user_courses', identity: 'user', alias: 'courses' },
    ])
    expect(junctionOf(models, 'pet_likes_pet__user_likes')).toEqual([
      { attribute: 'pet_likes_pet', identity: 'pet' },
      { attribute: 'user_likes', identity: 'user', alias: 'likes' },
    ])
    expect(junctionOf(models, 'user_friends__user_friends_user')).toEqual([
      { attribute: 'user_friends', identity: 'user', alias: 'friends' },
      { attribute: 'user_friends_user', identity: 'user' },
    ])
    expect(junctionOf(models, 'user_followers__user_follows')).toEqual([
      { attribute: 'user_followers', identity: 'user', alias: 'followers' },
      { attribute: 'user_follows', identity: 'user', alias: 'follows' },
    ])
    expect(models.get('membership')).not.toHaveProperty('junction')
  })
})

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)

const attributesOf = (models: Models, identity: string) =>
  [...(models.get(identity)?.attributes.values() ?? [])].sort(byName)

const junctionOf = (models: Models, identity: string) =>
  [...(models.get(identity)?.junction?.ends ?? [])].sort((a, b) => (a.attribute < b.attribute ? -1 : 1))

test('junction columns are mapped to the collections for which Waterline writes them', async () => {
  const { connectionString, query } = await database()
  const { collections } = await startWaterline({ connectionString, models: definitions, migrate: 'drop' })
  const models = readModels(collections)
  for (const [alias, identity] of [
    ['follows', 'user_followers__user_follows'],
    ['followers', 'user_followers__user_follows'],
    ['friends', 'user_friends__user_friends_user'],
  ] as const) {
    await query(`truncate ${identity}`)
    await collections.user.addToCollection(1, alias, [2])
    const end = models.get(identity)?.junction?.ends.find(each => each.alias === alias)
    expect(await query(`select ${end?.attribute} as owner from ${identity}`)).toEqual([{ owner: 1 }])
  }
})

async function database() {
  const opened = await testDatabase()
  return { connectionString: opened.connectionString, query: (sql: string) => opened.query(sql) }
}

test("the schema is the datastore's unless the caller passes one", async () => {
  const { connectionString } = await testDatabase()
  const { orm } = await startWaterline({
    connectionString,
    schemaName: 'Odd "Sch',
    models: { pet: { attributes: {} } },
  })
  const pet = readModels(orm).get('pet')
  expect(pet?.schema).toBe('Odd "Sch')
  const schemas = { [pet?.datastore ?? '']: 'elsewhere' }
  expect(readModels(orm, { schemas }).get('pet')?.schema).toBe('elsewhere')
})

test("the parsers are those of the adapter's driver", async () => {
  const { connectionString } = await testDatabase()
  const { orm } = await startWaterline({ connectionString, models: { pet: { attributes: {} } } })
  const datastore = readModels(orm).get('pet')?.datastore ?? ''
  expect(adapterTypeParsers(orm, datastore)?.getTypeParser(20)('9007199254740993')).toBe('9007199254740993')
  expect(adapterTypeParsers(orm, 'another')).toBeUndefined()
})

describe('rejected with what to pass instead:', () => {
  test.each([
    ['nothing', {}, 'no Waterline collections'],
    ['undefined', undefined, 'no Waterline collections'],
    ['an ontology without models', { collections: {} }, 'no Waterline collections'],
    ['definitions that Waterline has not loaded', definitions, '`user` is not an initialised'],
    ['one collection instead of all of them', { identity: 'user', attributes: {} }, '`identity` is not an initialised'],
  ])('%s', (_, source, message) => {
    expect(() => readModels(source as object)).toThrow(
      expect.objectContaining({ code: 'E_MODEL', message: expect.stringContaining(message) }),
    )
    expect(() => readModels(source as object)).toThrow('Pass `ontology.collections`')
  })

  test('a primary key that is not an attribute', async () => {
    const collection = {
      identity: 'user',
      tableName: 'user',
      primaryKey: 'uid',
      datastore: 'default',
      attributes: {},
      schema: {},
    }
    expect(() => readModels({ user: collection })).toThrow('no attribute `uid`')
  })
})
