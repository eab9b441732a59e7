import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import type { Model } from '../../../src/models/model.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { groupNeeds, readRelatedRows } from '../../../src/pipeline/related.ts'
import type { RelatedRowsNeed } from '../../../src/publish/mapping/related-rows.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, openMigratedShop, summary } from './fixture.ts'

const LOCK = 'lock table'

test('related rows of records destroyed in a page are read together', async () => {
  const { database, feed: newFeed, published } = await openMigratedShop()
  const proxy = await startProxy(database.connectionString)
  const feed = newFeed({ connectionString: proxy.through(database.connectionString) })
  await feed.install()
  await database.query(`insert into "user" (id, name) select n, 'user ' || n from generate_series(1, 300) as n`)
  await database.query('insert into pet (id, owner) select n, (n + 1) / 2 from generate_series(1, 600) as n')
  await feed.start()
  await feed.settled()
  published.length = 0
  const before = proxy.sent(LOCK)
  await database.query('delete from "user"')
  await feed.settled()
  expect(proxy.sent(LOCK) - before).toBe(1)
  const all = Array.from({ length: 300 }, (_, n) => [
    `destroyed user ${n + 1}`,
    `updated pet ${2 * n + 1}`,
    `updated pet ${2 * n + 2}`,
  ])
  expect(summary(published)).toEqual(all.flat())
})

test('related rows of a single destroyed record among other changes are read', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  await database.query(`insert into "user" (id, name) values (1, 'ann'), (2, 'ben'), (3, 'eve')`)
  await database.query('insert into pet (id, owner) values (1, 1), (2, 2), (3, 2)')
  await feed.start()
  await feed.settled()
  published.length = 0
  await database.query(`update "user" set name = 'joe' where id = 3; delete from "user" where id = 2;
    update "user" set id = 9 where id = 1; delete from "user" where id = 3`)
  await feed.settled()
  expect(summary(published)).toEqual([
    'updated user 3',
    ...['destroyed user 2', 'updated pet 2', 'updated pet 3'],
    ...['destroyed user 1', 'updated pet 1', 'created user 9'],
    'destroyed user 3',
  ])
})

/** Needs for the pets of these owners, and the number of transactions that answer them. */
async function openReader(ownerType = 'integer') {
  const { database, collections } = await openMigratedShop()
  await database.query(`alter table pet alter column owner type ${ownerType}`)
  const db = openDatabase({ connectionString: database.connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  let transactions = 0
  db.pool.on('acquire', () => transactions++)
  const models = readModels(collections)
  const [model, parent] = [models.get('pet') as Model, models.get('user') as Model]
  const [collection] = parent.associations as RelatedRowsNeed['collection'][]
  const read = async (values: readonly (number | string)[], limit = 1_000) => {
    transactions = 0
    const needs = values.map(value => {
      const need = { model, attribute: 'owner', member: 'id', parent, limit, value }
      return { ...need, collection } as RelatedRowsNeed
    })
    const answers = []
    for (const group of groupNeeds(needs)) answers.push(...(await readRelatedRows(db, group)))
    const found = answers.map(({ members, complete }) => ({ members: members.toSorted(), complete }))
    return { found, transactions }
  }
  return { database, read }
}

const all = (...members: number[]) => ({ members, complete: true })

test('each need gets the members of its record, and none if the record exists again', async () => {
  const { database, read } = await openReader()
  await database.query(
    `insert into pet (id, owner) values (1, 1), (2, 1), (3, 2), (4, 3); insert into "user" (id) values (2)`,
  )
  expect(await read([1, 2, 3, 4])).toEqual({ found: [all(1, 2), all(), all(4), all()], transactions: 1 })
})

test('a record with too many members does not affect the results of others', async () => {
  const { database, read } = await openReader()
  await database.query(
    'insert into pet (id, owner) select n, case when n <= 5 then 1 else 2 end from generate_series(1, 8) n',
  )
  const { found } = await read([1, 2], 4)
  expect(found).toEqual([{ members: [1, 2, 3, 4], complete: false }, all(6, 7, 8)])
})

test('more rows than the limit of a query are read by several queries', async () => {
  const { database, read } = await openReader()
  await database.query('insert into pet (id, owner) select n, 1 + n % 4 from generate_series(1, 12000) n')
  const { found, transactions } = await read([1, 2, 3, 4], 10_000)
  expect(found.map(({ members, complete }) => [members.length, complete])).toEqual(Array(4).fill([3_000, true]))
  expect(transactions).toBeGreaterThan(1)
})

test('keys that are equal but differ as text find their rows', async () => {
  const { database, read } = await openReader('numeric(10, 1)')
  await database.query('insert into pet (id, owner) values (1, 1), (2, 2)')
  expect((await read([1, 2])).found).toEqual([all(1), all(2)])
})

test('a key out of the range of the referring column does not affect other results', async () => {
  const { database, read } = await openReader('smallint')
  await database.query('insert into pet (id, owner) values (1, 1), (2, 2)')
  expect((await read([1, 2, 70_000])).found).toEqual([all(1), all(2), all()])
})
