import { expect, test } from 'vitest'
import { testDatabase } from '../../helpers/database.ts'
import { openShop, summary } from './fixture.ts'

/** 70 bytes: Postgres keeps 63 of them. */
const long = (name: string) => `${name}_`.padEnd(70, 'x')

test('an implicit junction table with names too long for Postgres is captured and published', async () => {
  const models = {
    member: {
      attributes: {
        name: { type: 'string' },
        [long('permissions')]: { collection: 'permission', via: long('members') },
      },
    },
    permission: {
      attributes: { name: { type: 'string' }, [long('members')]: { collection: 'member', via: long('permissions') } },
    },
  }
  const shop = await openShop(undefined, { models })
  const feed = shop.feed()
  await feed.install()
  await feed.start()
  const member = await shop.collections.member.create({ name: 'm' }).fetch()
  const permission = await shop.collections.permission.create({ name: 'p' }).fetch()
  await shop.collections.member.addToCollection(member.id, long('permissions'), permission.id)
  await feed.settled()
  expect(summary(shop.published).sort()).toEqual([
    'addedTo member 1',
    'addedTo permission 1',
    'created member 1',
    'created permission 1',
  ])
})

test('a schema, table and columns with too long names are published and redacted by attribute', async () => {
  const database = await testDatabase()
  await database.query(`create schema "${long('schema')}"`)
  const attributes = {
    name: { type: 'string', columnName: long('név') },
    secret: { type: 'string', columnName: long('secret') },
  }
  const models = { user: { tableName: long('user'), attributes } }
  const shop = await openShop(database, { models, schemaName: long('schema') })
  const feed = shop.feed({ models: { user: { omit: ['secret'] } } })
  await feed.install()
  await feed.start()
  await shop.collections.user.create({ name: 'ann', secret: 's3cret' })
  await feed.settled()
  expect(shop.published.map(({ event }) => event)).toMatchObject([{ verb: 'created', record: { id: 1, name: 'ann' } }])
  expect(await database.query(`select from changefeed.change where new like '%s3cret%'`)).toEqual([])
  expect((await feed.plan()).capture).toMatchObject({ steps: [{ action: 'keep' }], warnings: [] })
})

test('the plan reports names that Postgres truncates to the same name', async () => {
  const attributes = { [`${long('a')}1`]: { type: 'string' }, [`${long('a')}2`]: { type: 'string' } }
  const models = {
    user: { tableName: `${long('t')}1`, attributes },
    pet: { tableName: `${long('t')}2`, attributes: {} },
  }
  const database = await testDatabase()
  await database.query(`create table "${long('t')}" (id serial primary key, "${long('a')}" text)`)
  const shop = await openShop(database, { models, migrate: 'safe' })
  const { warnings } = (await shop.feed().plan()).capture
  expect(warnings).toEqual([
    expect.stringMatching(/^Model `user`: its table "t_x+1" is the same as "t_x+2", as PostgreSQL keeps only/),
    expect.stringMatching(/^Model `user`: its columns "a_x+1", "a_x+2" are one column/),
    expect.stringMatching(/^Model `pet`: its table "t_x+2" is the same as "t_x+1"/),
  ])
})
