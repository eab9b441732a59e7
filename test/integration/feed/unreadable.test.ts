import { expect, test } from 'vitest'
import { testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { openInstalledShop, openShop, summary } from './fixture.ts'

/** An app of another encoding, with a feed that is installed but not started. */
async function openLegacyShop() {
  const shop = await openShop(await testDatabase({ encoding: `encoding 'WIN1252' locale 'C'` }))
  const feed = shop.feed()
  await feed.install()
  const legacy = await shop.database.connect()
  await legacy.query(`set client_encoding = 'WIN1252'`)
  return { ...shop, feed, legacy }
}

test('a row with bytes without a UTF-8 form causes a gap of its models only', async () => {
  const { database, feed, legacy, published } = await openLegacyShop()
  await feed.start()
  await legacy.query(`insert into "user" (id, name) values (1, e'bad \\x81')`)
  await database.query(`insert into pet (id, name) values (1, 'Rex')`)
  await feed.settled()
  expect(summary(published)).toEqual(['refetch user', 'refetch pet', 'created pet 1'])
})

test.each([3, 1200])('an unreadable change in a tick of %i affects only its own row', async count => {
  const { database, feed, legacy, published } = await openLegacyShop()
  await database.query(`insert into pet (id, name) select i, 'n' from generate_series(1, ${count}) as i`)
  await legacy.query(`update changefeed.change set new = e'bad \\x81' where new like '%"id" : "${count - 1}"%'`)
  await feed.start()
  await feed.settled()
  const created = summary(published).filter(each => each.startsWith('created'))
  expect(created).toHaveLength(count - 1)
  expect(created).not.toContain(`created pet ${count - 1}`)
  expect(created.at(-1)).toBe(`created pet ${count}`)
  expect(summary(published)).toContain('refetch pet')
})

test('trigger and reader drop annotations and origin above their limits', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  await database.query(`
    begin;
    select set_config('changefeed.annotations', repeat('a', 20000), true), set_config('changefeed.origin', repeat('o', 2000), true);
    insert into pet (id) values (1);
    commit`)
  expect(await database.query('select origin, annotations from changefeed.change')).toEqual([
    { origin: null, annotations: null },
  ])
  await database.query(`update changefeed.change set annotations = repeat('a', 20000000), origin = repeat('o', 20000)`)
  await feed.start()
  await feed.settled()
  expect(published.map(({ event, meta }) => [event.verb, meta.annotations, meta.origin])).toEqual([
    ['created', undefined, undefined],
  ])
})

test('a row logged by an earlier version causes a gap of its models', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  await database.query(`insert into pet (id, name) values (1, 'old'), (2, 'new')`)
  await database.query(`update changefeed.change set new = '{"id":1,"name":"old"}' where new like '%old%'`)
  await feed.start()
  await feed.settled()
  expect(summary(published)).toEqual(['refetch pet', 'refetch user', 'created pet 2'])
})

test('renaming a column and renaming it back each causes a gap of its models', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'a')`)
  await feed.settled()
  for (const [from, to] of [
    ['name', 'title'],
    ['title', 'name'],
  ]) {
    published.length = 0
    await database.query(`alter table pet rename ${from} to ${to}`)
    await eventually(async () => {
      await database.query(`update pet set ${to} = ${to} || '!'`)
      await feed.settled()
      expect(summary(published)).toContain('refetch pet')
    })
  }
  expect(summary(published).at(-1)).toMatch(/refetch/)
})
