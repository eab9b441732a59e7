import { describe, expect, test } from 'vitest'
import { type Model, type Models, pluralAssociations } from '../../../src/models/model.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { adapterTypeParsers } from '../../../src/models/type-parsers.ts'
import { testDatabase } from '../../helpers/database.ts'
import { startWaterline, type WaterlineOptions } from '../../helpers/waterline.ts'
import { definitions } from './models.ts'
import { loadSailsModels } from './sails-models.ts'

const fromWaterline = async (models: WaterlineOptions['models'] = definitions) => {
  const { connectionString } = await testDatabase()
  return (await startWaterline({ connectionString, models })).orm.collections
}

const fromSails = async (models: WaterlineOptions['models'] = definitions) =>
  await loadSailsModels((await testDatabase()).connectionString, models)

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
      ]
        .map(each => ({ ...each, captured: !each.encrypt, visible: !each.encrypt }))
        .sort(byName),
    )
    expect(attributesOf(models, 'pet')).toMatchObject([
      { name: 'owner', column: 'owner_id', model: 'user' },
      { name: 'sitter', column: 'sitter', model: 'user' },
      { name: 'tag', column: 'pet_tag' },
    ])
    expect(models.get('pet')?.primaryKey).toBe('tag')
    expect(models.get('user')?.customToJSON?.call({ name: 'Ann', ssn: '1' })).toEqual({ name: 'Ann' })
    expect(models.get('pet')).not.toHaveProperty('customToJSON')

    expect(models.get('user')?.associations.map(({ alias }) => alias)).toEqual([
      'boss',
      'reports',
      'profile',
      'pets',
      'fostered',
      'courses',
      'likes',
      'friends',
      'follows',
      'followers',
      'groups',
    ])
    expect(models.get('user')?.associations[0]).toEqual({ type: 'model', alias: 'boss', model: 'user' })
    expect(identitiesWith(models, 'junction')).toEqual([
      'course_students__user_courses',
      'pet_likes_pet__user_likes',
      'user_followers__user_follows',
      'user_friends__user_friends_user',
    ])
  })

  test('have each collection resolved to its links', async () => {
    const models = readModels(await start())

    const user = { type: 'collection', parent: 'user' }
    const [courses, follows] = ['course_students__user_courses', 'user_followers__user_follows']
    expect(pluralAssociations(modelOf(models, 'user'))).toEqual([
      {
        ...{ ...user, alias: 'reports', collection: 'user', inverse: 'boss' },
        ...{ oneToMany: true, linkModel: 'user', parentAttribute: 'boss', childAttribute: 'id' },
      },
      {
        ...{ ...user, alias: 'pets', collection: 'pet', inverse: 'owner' },
        ...{ oneToMany: true, linkModel: 'pet', parentAttribute: 'owner', childAttribute: 'tag' },
      },
      {
        ...{ ...user, alias: 'fostered', collection: 'pet', inverse: 'sitter' },
        ...{ oneToMany: true, linkModel: 'pet', parentAttribute: 'sitter', childAttribute: 'tag' },
      },
      {
        ...{ ...user, alias: 'courses', collection: 'course', inverse: 'students' },
        ...{ oneToMany: false, linkModel: courses, parentAttribute: 'user_courses', childAttribute: 'course_students' },
      },
      {
        ...{ ...user, alias: 'likes', collection: 'pet', oneToMany: false, linkModel: 'pet_likes_pet__user_likes' },
        ...{ parentAttribute: 'user_likes', childAttribute: 'pet_likes_pet' },
      },
      {
        ...{ ...user, alias: 'friends', collection: 'user', oneToMany: false },
        ...{ linkModel: 'user_friends__user_friends_user' },
        ...{ parentAttribute: 'user_friends', childAttribute: 'user_friends_user' },
      },
      {
        ...{ ...user, alias: 'follows', collection: 'user', inverse: 'followers' },
        ...{ oneToMany: false, linkModel: follows, parentAttribute: 'user_follows', childAttribute: 'user_followers' },
      },
      {
        ...{ ...user, alias: 'followers', collection: 'user', inverse: 'follows' },
        ...{ oneToMany: false, linkModel: follows, parentAttribute: 'user_followers', childAttribute: 'user_follows' },
      },
      {
        ...{ ...user, alias: 'groups', collection: 'group', inverse: 'members' },
        ...{ oneToMany: false, linkModel: 'membership', parentAttribute: 'member', childAttribute: 'group' },
      },
    ])
    expect(pluralAssociations(modelOf(models, 'course'))).toEqual([
      {
        ...{ type: 'collection', parent: 'course', alias: 'students', collection: 'user', inverse: 'courses' },
        ...{ oneToMany: false, linkModel: courses, parentAttribute: 'course_students', childAttribute: 'user_courses' },
      },
    ])
    expect(pluralAssociations(modelOf(models, 'group'))).toEqual([
      {
        ...{ type: 'collection', parent: 'group', alias: 'members', collection: 'user', inverse: 'groups' },
        ...{ oneToMany: false, linkModel: 'membership', parentAttribute: 'group', childAttribute: 'member' },
      },
    ])
    expect(linkedBy(models, 'user')).toEqual(['user.reports'])
    expect(linkedBy(models, 'pet')).toEqual(['user.pets', 'user.fostered'])
    expect(linkedBy(models, 'membership')).toEqual(['user.groups', 'group.members'])
    expect(linkedBy(models, courses)).toEqual(['user.courses', 'course.students'])
    expect(linkedBy(models, follows)).toEqual(['user.follows', 'user.followers'])
    expect(linkedBy(models, 'pet_likes_pet__user_likes')).toEqual(['user.likes'])
    expect(linkedBy(models, 'profile')).toEqual([])
  })

  test('have resolved through models that refer to one model twice', async () => {
    const models = readModels(await start(twice))

    const found = ['person', 'team', 'venue'].flatMap(identity => pluralAssociations(modelOf(models, identity)))
    expect(found).toMatchObject([
      { alias: 'leads', linkModel: 'lead', parentAttribute: 'leader', childAttribute: 'follower', inverse: 'led' },
      { alias: 'led', linkModel: 'lead', parentAttribute: 'follower', childAttribute: 'leader', inverse: 'leads' },
      { alias: 'away', linkModel: 'game', parentAttribute: 'guest', childAttribute: 'venue', inverse: 'teams' },
      { alias: 'home', linkModel: 'game', parentAttribute: 'host', childAttribute: 'venue', inverse: 'teams' },
      { alias: 'teams', linkModel: 'game', parentAttribute: 'venue', childAttribute: 'host', inverse: 'home' },
    ])
    expect(found.map(({ oneToMany }) => oneToMany)).toEqual(found.map(() => false))
  })
})

const twice = {
  person: {
    attributes: {
      leads: { collection: 'Person', via: 'leader', through: 'Lead' },
      led: { collection: 'Person', via: 'follower', through: 'Lead' },
    },
  },
  lead: { attributes: { leader: { model: 'Person', columnName: 'leader_id' }, follower: { model: 'Person' } } },
  team: {
    attributes: {
      away: { collection: 'Venue', via: 'guest', through: 'Game' },
      home: { collection: 'Venue', via: 'host', through: 'Game' },
    },
  },
  venue: { attributes: { teams: { collection: 'Team', via: 'venue', through: 'Game' } } },
  game: { attributes: { host: { model: 'Team' }, guest: { model: 'Team' }, venue: { model: 'Venue' } } },
}

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)

const attributesOf = (models: Models, identity: string) =>
  [...(models.get(identity)?.attributes.values() ?? [])].sort(byName)

const linkedBy = (models: Models, identity: string) =>
  modelOf(models, identity).linkedCollections.map(({ parent, alias }) => `${parent}.${alias}`)

const identitiesWith = (models: Models, key: keyof Model) =>
  [...models.values()].flatMap(model => (key in model ? model.identity : [])).sort()

function modelOf(models: Models, identity: string): Model {
  const model = models.get(identity)
  if (!model) throw new Error(`No model ${identity}`)
  return model
}

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
    const collection = pluralAssociations(modelOf(models, 'user')).find(each => each.alias === alias)
    const columns = `${collection?.parentAttribute} as owner, ${collection?.childAttribute} as member`
    expect(await query(`select ${columns} from ${identity}`)).toEqual([{ owner: 1, member: 2 }])
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
