import { expect, test } from 'vitest'
import { openShop, summary } from './fixture.ts'

test('a role with the rights of a listener alone publishes, associations included', async () => {
  const shop = await openShop()
  await shop.feed().install()
  const { name, connectionString } = await shop.database.role()
  for (const grant of shop.feed().grants(name)) await shop.database.query(grant)
  const feed = shop.feed({ connectionString })
  await feed.start()
  await shop.database.query(`insert into "user" (id, name) values (1, 'ann'), (2, 'ben')`)
  await shop.database.query(`insert into pet (id, name, owner) values (1, 'rex', 1)`)
  await shop.database.query('update pet set owner = 2')
  await shop.database.query('delete from "user" where id = 2')
  await shop.database.query('delete from pet')
  await feed.settled()
  expect(summary(shop.published).slice(2)).toEqual([
    'publishCreate pet 1',
    'publishRemove user 1',
    'publishAdd user 2',
    'publishUpdate pet 1',
    'publishDestroy user 2',
    'publishDestroy pet 1',
    'publishRemove user 2',
  ])
  expect(feed.status().failures).toEqual([])
})
