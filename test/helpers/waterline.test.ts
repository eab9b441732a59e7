import { expect, test } from 'vitest'
import { testDatabase } from './database.ts'
import { startWaterline } from './waterline.ts'

const models = {
  user: {
    tableName: 'people',
    attributes: {
      id: { type: 'number', autoIncrement: true },
      name: { type: 'string', columnName: 'full_name' },
      born: { type: 'ref', columnType: 'date' },
      pets: { collection: 'pet', via: 'owner' },
      groups: { collection: 'group', via: 'members' },
      createdAt: { type: 'number', autoCreatedAt: true },
    },
  },
  pet: { primaryKey: 'tag', attributes: { tag: { type: 'string', required: true }, owner: { model: 'user' } } },
  group: { attributes: { title: { type: 'string' }, members: { collection: 'user', via: 'groups' } } },
}

test.each(['public', 'Odd Sch'])('models get their tables in schema %s, and read what they wrote', async schemaName => {
  const database = await testDatabase()
  if (schemaName !== 'public') await database.query('create schema "Odd Sch"')
  const { connectionString } = database
  const { collections } = await startWaterline({ connectionString, models, schemaName, migrate: 'drop' })
  const { user, pet, group } = collections
  const ann = await user.create({ name: 'Ann' }).fetch()
  await pet.create({ tag: 'a', owner: ann.id })
  const friends = await group.create({ title: 'friends' }).fetch()
  await user.addToCollection(ann.id, 'groups', friends.id)

  expect(await pet.find()).toMatchObject([{ tag: 'a', owner: 1 }])
  expect(await user.findOne(1)).toMatchObject({ name: 'Ann', createdAt: expect.any(Number) })
  const columns = await database.query(
    `select table_name, column_name, data_type from information_schema.columns where table_schema = $1 order by 1, 2`,
    [schemaName],
  )
  expect(columns).toContainEqual({ table_name: 'people', column_name: 'born', data_type: 'date' })
  expect(columns).toContainEqual({ table_name: 'pet', column_name: 'owner', data_type: 'integer' })
})

test('two at once, with the same definitions', async () => {
  const [one, two] = [await testDatabase(), await testDatabase()]
  const [first, second] = [
    await startWaterline({ connectionString: one.connectionString, models, migrate: 'drop' }),
    await startWaterline({ connectionString: two.connectionString, models, migrate: 'drop' }),
  ]
  await first.collections.user.create({ name: 'Ann' })
  expect(await second.collections.user.count()).toBe(0)
  await first.stop()
  await expect(first.collections.user.count()).rejects.toThrow()
  expect(await second.collections.user.count()).toBe(0)
})
