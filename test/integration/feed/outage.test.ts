import { createAdapter } from '@socket.io/redis-adapter'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { createChangefeed } from '../../../src/changefeed.ts'
import { openDatabase } from '../../../src/db/connect.ts'
import { readStatus } from '../../../src/doctor/status.ts'
import { eventOf, eventually } from '../../helpers/eventually.ts'
import { startRedis } from '../../helpers/redis.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop } from './fixture.ts'

test('an idle feed reports the outage and the recovery of its adapter', async () => {
  const [shop, redis] = [await openInstalledShop(), await startRedis()]
  const publishing = createClient({ url: redis.url })
  const subscribing = publishing.duplicate()
  for (const client of [publishing, subscribing]) {
    client.on('error', () => {})
    await client.connect()
    afterScope(() => client.disconnect())
  }
  const { connectionString } = shop.database
  const io = new Server({ adapter: createAdapter(publishing, subscribing) })
  const feed = createChangefeed({ connectionString, collections: shop.collections, io })
  afterScope(() => feed.stop())
  await feed.start()
  const db = openDatabase({ connectionString, applicationName: 'status' }, 'changefeed')
  afterScope(() => db.close())
  const problems = async () => (await readStatus(db)).problems.map(({ check, severity }) => `${severity} ${check}`)
  expect(feed.status().outage).toBeNull()
  const away = eventOf(feed, 'outage', { withinMs: 20_000 })
  await redis.stop()
  await away
  expect(feed.status().outage).toEqual({
    since: expect.any(Number),
    reason: expect.stringMatching(/does not accept messages/),
  })
  await eventually(async () => expect(await problems()).toEqual(['error publisher']))
  const returned = eventOf(feed, 'outage', { withinMs: 20_000 })
  await redis.start()
  await returned
  expect(feed.status().outage).toBeNull()
  await eventually(async () => expect(await problems()).toEqual([]))
})
