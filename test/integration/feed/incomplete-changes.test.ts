import { expect, test } from 'vitest'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { eventually } from '../../helpers/eventually.ts'
import { openInstalledShop, openMigratedShop, type Shop, summary } from './fixture.ts'

/** A shop whose pets cannot be serialized while they are called `bad`. */
async function openAngryShop(options: Parameters<Shop['feed']>[0] = {}) {
  const shop = await openInstalledShop()
  shop.collections.pet.customToJSON = function toJson(this: { name: string }) {
    if (this.name === 'bad') throw new Error('no bad pets')
    return { ...this }
  }
  const lines: unknown[][] = []
  const logger = { error: (...line: unknown[]) => lines.push(line), warn() {}, info() {}, debug() {} }
  const feed = shop.feed({ logger, ...options })
  await feed.start()
  const changing = async (sql: string) => {
    shop.published.length = 0
    await shop.database.query(sql)
    await feed.settled()
    return summary(shop.published)
  }
  return { ...shop, feed, lines, changing }
}

test('for a record that cannot be serialized, messages with ids are published and clients refetch', async () => {
  const { changing, published, feed, lines } = await openAngryShop()
  await changing(`insert into "user" (id, name) values (1, 'ann')`)
  expect(await changing(`insert into pet (id, name, owner) values (1, 'bad', 1)`)).toEqual([
    'addedTo user 1',
    'refetch pet',
  ])
  expect(await changing(`update pet set name = 'good'`)).toEqual(['updated pet 1'])
  expect(published[0]?.event).not.toHaveProperty('previous')
  expect(await changing(`update pet set name = 'bad'`)).toEqual(['refetch pet'])
  expect(await changing('delete from pet')).toEqual(['destroyed pet 1', 'removedFrom user 1'])
  expect(published[0]?.event).toEqual({ verb: 'destroyed', identity: 'pet', id: 1 })
  expect(feed.status().failures).toMatchObject([{ identity: 'pet', count: 4 }])
  // Once for the model, with the location in the app's code.
  expect(lines).toEqual([
    [expect.any(String), expect.objectContaining({ model: 'pet', stack: expect.stringContaining('toJson') })],
  ])
})

test('clients refetch once per page, after its last message', async () => {
  const { changing, published } = await openAngryShop()
  const gaps = await changing(
    `insert into pet (id, name) values (1, 'bad'), (2, 'rex'), (3, 'bad'); update pet set name = 'max' where id = 2`,
  )
  expect(gaps).toEqual(['created pet 2', 'updated pet 2', 'refetch pet'])
  expect(published.at(-1)?.meta).toEqual({ cursor: expect.any(String), at: expect.any(Number) })
})

test('a feed stopped after a failed change has notified its clients and repeats nothing', async () => {
  const told: string[] = []
  let stop = () => {}
  const publisher = {
    publish(event: RecordEvent) {
      if ('id' in event && event.id === 1) throw new Error('refused')
      told.push(event.verb === 'refetch' ? event.verb : `${event.verb} ${event.id}`)
      if ('id' in event && event.id === 2) stop()
    },
  }
  const shop = await openInstalledShop()
  const first = shop.feed({ publisher })
  await first.start()
  const stopped = new Promise<void>(resolve => (stop = () => resolve(first.stop())))
  await shop.database.query(`insert into pet (id, name) values (1, 'a'), (2, 'b'), (3, 'c')`)
  await stopped
  expect(told).toEqual(['created 2', 'refetch'])
  const second = shop.feed({ publisher })
  await second.start()
  await second.settled()
  expect(told).toEqual(['created 2', 'refetch', 'created 3'])
})

const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

test('an attribute that is nested too deeply to send is omitted from its record', async () => {
  const { database, feed: newFeed, published } = await openMigratedShop()
  await database.query('alter table pet alter column name type json using null')
  const feed = newFeed()
  await feed.install()
  await feed.start()
  await database.query(
    `insert into pet (id, name) values (1, '${nested(60)}'), (2, '${nested(100)}'), (3, '${nested(4_000)}')`,
  )
  await feed.settled()
  const names = published.map(({ event }) => event.verb === 'created' && Object.keys(event.record).includes('name'))
  expect(names).toEqual([true, false, false])
})

test('clients refetch when a table is altered and nothing is written, as its rows may have been rewritten', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  published.length = 0
  await database.query(`alter table pet alter column name type varchar using name || '!'`)
  await eventually(() => expect(summary(published)).toContain('refetch pet'), { withinMs: 15_000 })
  await feed.settled()
  expect(summary(published).filter(each => each === 'refetch pet')).toHaveLength(1)
})
