import { expect, test } from 'vitest'
import { parseCursor } from '../../../src/change-log/cursor.ts'
import { currentSnapshot, type Position } from '../../../src/change-log/position.ts'
import { logBytes, unpublishedBytes } from '../../../src/change-log/retention.ts'
import { openDatabase } from '../../../src/db/connect.ts'
import { eventOf, eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, openMigratedShop, summary } from './fixture.ts'

test('changes older than the retention are freed, and unpublished changes are kept', { timeout: 60_000 }, async () => {
  const { database, feed: newFeed, published } = await openMigratedShop()
  const feed = newFeed({ retentionMs: 1_000 })
  await feed.install()
  await database.query(`insert into pet (id, name) select id, 'old' from generate_series(1, 100) as id`)
  const logged = async () =>
    (await database.query<{ n: number }>('select count(*)::int as n from changefeed.change'))[0]?.n
  expect(await logged()).toBe(100)
  await feed.start()
  await eventually(async () => expect(await logged()).toBe(0), { withinMs: 45_000, everyMs: 200 }) // two turns of the ring
  expect(published).toHaveLength(100)
  await database.query(`update pet set name = 'new' where id = 1`)
  await feed.settled()
  expect(summary(published).at(-1)).toBe('updated pet 1')
})

test('a backlog above its limit is dropped: a gap is declared, space is freed, the feed continues', async () => {
  const { database, feed: newFeed } = await openMigratedShop()
  const calls: string[] = []
  let stuck = true
  const publisher = {
    async publish({ verb, identity, ...event }: { verb: string; identity: string; id?: unknown }) {
      if (stuck && verb !== 'refetch') throw Object.assign(new Error('backend down'), { retryable: true })
      calls.push(`${verb} ${identity}${event.id === undefined ? '' : ` ${event.id}`}`)
    },
  }
  const feed = newFeed({ publisher, backlogLimitBytes: 1_000_000 } as never)
  await feed.install()
  await feed.start()
  const gap = eventOf(feed, 'gap', { withinMs: 25_000 })
  await database.query(`insert into pet (id, name) select id, repeat('x', 500) from generate_series(1, 5000) as id`)
  expect(await gap).toEqual([{ reason: 'gap', identities: ['user', 'pet'] }])
  stuck = false
  await database.query(`insert into pet (id, name) values (0, 'after the gap')`)
  await feed.settled()
  expect(calls).toEqual(['refetch user', 'refetch pet', 'created pet 0'])
})

test('only unpublished changes of a slot count as backlog', async () => {
  const { database } = await openInstalledShop()
  const db = openDatabase({ connectionString: database.connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  const write = (rows: number) =>
    database.query(
      `insert into pet (name) select repeat(pg_catalog.md5(i::text), 20) from generate_series(1, $1) as i`,
      [rows],
    )
  const here = async (): Promise<Position> => ({ epoch: 1, tick: { id: 1n, snapshot: await currentSnapshot(db) } })
  const start = await here()
  await write(6_000)
  const all = await logBytes(db)
  expect(await unpublishedBytes(db, start)).toBeGreaterThan(0.9 * all)
  const middle = await here()
  await write(1)
  expect(await unpublishedBytes(db, middle)).toBeLessThan(0.02 * all)
  await write(6_000)
  expectBetween(0.35, (await unpublishedBytes(db, middle)) / (await logBytes(db)), 0.65)
  const seqs = await database.query<{ seq: string }>(
    'select seq from changefeed.change order by seq offset 9000 limit 1',
  )
  await database.query(`insert into changefeed.tick select 9, pg_current_snapshot(), now(), 0`)
  const partial = { tick: 9n, seq: BigInt(seqs[0]?.seq ?? 0) }
  expectBetween(0.1, (await unpublishedBytes(db, { ...middle, partial })) / (await logBytes(db)), 0.4)
})

function expectBetween(least: number, value: number, most: number) {
  expect(value).toBeGreaterThan(least)
  expect(value).toBeLessThan(most)
}

test('a restored or cloned database starts a new epoch: logged changes are published once, clients refetch', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  const before = parseCursor(await feed.cursor())
  await feed.stop()
  // As after pg_restore into another system, whose transaction ids and WAL positions are far behind those in the log.
  await database.query(`update changefeed.state set system_identifier = '1'`)
  await database.query(`update changefeed.change set xid = '99999999', seq = 9000000000000000000`)
  await database.query(`update pet set name = 'written after the restore'`)
  await database.query(`update changefeed.tick set snapshot = '99999999:99999999:' where id > 0`)
  published.length = 0
  const clone = newFeed()
  await clone.start()
  await clone.settled()
  expect(summary(published)).toEqual(['refetch user', 'refetch pet', 'created pet 1', 'updated pet 1'])
  expect(parseCursor(await clone.cursor()).epoch).toBe(before.epoch + 1)
  await database.query('update pet set name = $1', ['max'])
  await clone.settled()
  expect(summary(published).slice(4)).toEqual(['updated pet 1'])
})

test('tick ids skip ahead after a promotion, so that no cursor of the lost timeline is reused', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  await feed.stop()
  await database.query(`update changefeed.state set timeline = 'FFFFFFFF'`)
  await database.query(`insert into pet (id, name) values (2, 'max')`)
  const promoted = newFeed()
  await promoted.start()
  await promoted.settled()
  expect(summary(published)).toEqual(['created pet 1', 'created pet 2'])
  const tick = (cursor = '') => Number.parseInt(cursor.split('.')[1] ?? '', 36)
  expect(tick(published[1]?.meta.cursor) - tick(published[0]?.meta.cursor)).toBeGreaterThan(1_000_000)
})
