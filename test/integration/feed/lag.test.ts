import { expect, test } from 'vitest'
import { eventOf } from '../../helpers/eventually.ts'
import { openInstalledShop } from './fixture.ts'

test('lag counts committed unpublished changes, also within a transaction', async () => {
  const shop = await openInstalledShop()
  let failing = true
  const publisher = {
    publish(event: { id?: unknown }) {
      if (failing && Number(event.id) > 3) throw Object.assign(new Error('not ready'), { retryable: true })
    },
  }
  const feed = shop.feed({ publisher } as never)
  await feed.start()
  feed.on('error', () => {})
  await feed.settled()
  expect(await feed.lag()).toEqual({ changes: 0, orMore: false, seconds: 0 })
  const stuck = eventOf(feed, 'error')
  await shop.database.query(`insert into pet (id, name) select id, 'pet' from generate_series(1, 10) as id`)
  await stuck
  await shop.database.query(`insert into pet (id, name) values (11, 'late')`)
  const lag = await feed.lag()
  expect(lag).toMatchObject({ changes: 8, orMore: false })
  expect(lag.seconds).toBeGreaterThan(0)
  failing = false
  await feed.settled()
  expect(await feed.lag()).toMatchObject({ changes: 0 })
})
