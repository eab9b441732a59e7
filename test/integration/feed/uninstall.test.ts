import { expect, test } from 'vitest'
import { eventOf } from '../../helpers/eventually.ts'
import { openShop } from './fixture.ts'

test('a feed that is uninstalled while running stops with a remedy, and can be started after reinstalling', async () => {
  const shop = await openShop()
  const feed = shop.feed()
  await feed.install()
  await feed.start()
  const stopped = eventOf(feed, 'stopped')
  await feed.uninstall()
  const [error] = (await stopped) as [Error]
  expect(error).toMatchObject({
    code: 'E_NOT_INSTALLED',
    message: expect.stringContaining('waterline-changefeed install'),
  })
  expect(feed.status()).toMatchObject({ state: 'stopped', role: null })
  await expect(feed.settled()).rejects.toMatchObject({ code: 'E_STATE' })
  await feed.install()
  await feed.start()
  await feed.settled()
})

test('a feed that finds a newer schema on reconnect stops with an error', async () => {
  const shop = await openShop()
  const feed = shop.feed()
  await feed.install()
  await feed.start()
  const stopped = eventOf(feed, 'stopped', { withinMs: 20_000 })
  await shop.database.query(`insert into changefeed.migration (name, timestamp) values ('9999_future', '')`)
  await shop.database.query(`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'waterline-changefeed%'`)
  const [error] = (await stopped) as [Error]
  expect(error).toMatchObject({ code: 'E_VERSION', message: expect.stringContaining('Update the package') })
  expect(feed.status().state).toBe('stopped')
})
