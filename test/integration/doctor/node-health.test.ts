import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { checkNodes } from '../../../src/doctor/node-checks.ts'
import { readStatus } from '../../../src/doctor/status.ts'
import { listNodes } from '../../../src/leader/nodes.ts'
import { readReadiness } from '../../../src/monitor/health.ts'
import { FeedMetrics } from '../../../src/monitor/metrics.ts'
import { eventOf, eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openMigratedShop, type Shop } from '../feed/fixture.ts'

async function openFeed(shop: Shop, options: Parameters<Shop['feed']>[0] = {}) {
  const feed = shop.feed(options)
  await feed.install()
  await feed.start()
  feed.on('error', () => {})
  const db = openDatabase({ connectionString: shop.database.connectionString, applicationName: 'status' }, 'changefeed')
  afterScope(() => db.close())
  return { feed, db }
}

test('an outage of the publisher is reported everywhere at once, with its start', async () => {
  const shop = await openMigratedShop()
  let isAway = true
  const publisher = {
    publish() {
      if (isAway) throw Object.assign(new Error('Redis at redis.internal refuses.'), { retryable: true })
    },
  }
  const { feed, db } = await openFeed(shop, { publisher })
  const began = eventOf(feed, 'outage')
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await began
  const { outage } = feed.status()
  expect(outage).toEqual({ since: expect.any(Number), reason: 'Redis at redis.internal refuses.' })
  const since = new Date(outage?.since ?? 0).toISOString()
  await eventually(async () => {
    const { problems, lag } = await readStatus(db)
    expect(problems).toEqual([
      { check: 'publisher', severity: 'error', message: expect.stringContaining(`${since}: Redis at`) },
    ])
    expect(lag).toMatchObject({ changes: 1 })
  })
  await eventually(async () => {
    const readiness = await readReadiness(feed, db, 30_000)
    expect(readiness.warnings).toEqual([expect.stringContaining(since)])
    expect(JSON.stringify(readiness)).not.toContain('redis.internal') // readable by anyone
  })
  expect(await new FeedMetrics(feed, db).text()).toMatch(/changefeed_publisher_outage_seconds 0?[.\d]*[1-9]/)
  const ended = eventOf(feed, 'outage')
  isAway = false
  await ended
  expect(feed.status().outage).toBeNull()
  await eventually(async () => expect((await readStatus(db)).problems).toEqual([]))
})

test('a customToJSON that throws is reported with its model and location', async () => {
  const shop = await openMigratedShop()
  shop.collections.pet.customToJSON = function showPet() {
    throw new Error('lodash \u0000 is not here: ł') // characters that single-byte encodings lack
  }
  const { feed, db } = await openFeed(shop)
  await shop.database.query(`insert into pet (id, name) values (1, 'rex'), (2, 'max')`)
  await feed.settled()
  expect(feed.status().failures).toMatchObject([
    { identity: 'pet', count: 2, stack: expect.stringContaining('showPet') },
  ])
  await eventually(async () => {
    const readiness = await readReadiness(feed, db, 30_000)
    expect(readiness.warnings).toEqual([expect.stringContaining('`pet`')])
  })
  expect(await new FeedMetrics(feed, db).text()).toContain('changefeed_failures_last_hour{model="pet"} 2')
  await eventually(
    async () =>
      expect((await readStatus(db)).problems).toEqual([
        {
          check: 'failures',
          severity: 'warning',
          message: expect.stringMatching(/`pet`.* 2 changes .*`customToJSON`/),
          detail: expect.stringContaining('showPet'),
        },
      ]),
    { withinMs: 10_000 },
  )
})

test('lag excludes published changes whose position is not stored yet', async () => {
  const shop = await openMigratedShop()
  const { feed, db } = await openFeed(shop)
  await feed.settled()
  // Keeps the stored position behind, as between two times of storing it.
  await shop.database.query(`create function hold() returns trigger language plpgsql as 'begin return null; end'`)
  await shop.database.query(
    'create trigger hold before update on changefeed.consumer for each row execute function hold()',
  )
  await shop.database.query(`insert into pet (id, name) values (1, 'rex'), (2, 'max')`)
  await feed.settled()
  await eventually(async () => expect((await readStatus(db)).lag).toEqual({ changes: 0, orMore: false, seconds: 0 }))
})

test('a node reports its version; a dead node, or one without the lease, is not shown as leader', async () => {
  const shop = await openMigratedShop()
  const { feed, db } = await openFeed(shop)
  const { node } = feed.status()
  await eventually(async () =>
    expect(await listNodes(db)).toMatchObject([{ id: node, role: 'leader', version: expect.stringMatching(/^\d/) }]),
  )
  const addNode = async (id: string, seconds: number, version: string | null) =>
    await shop.database.query(
      `insert into changefeed.node (id, host, pid, role, tick, started_at, seen_at, version)
       values ($1, 'elsewhere', 1, 'leader', 0, now(), now() - $2 * interval '1 second', $3)`,
      [id, seconds, version],
    )
  await addNode('00000000-0000-0000-0000-000000000001', 0, '0.0.1')
  await addNode('00000000-0000-0000-0000-000000000002', 20, null)
  const nodes = await listNodes(db)
  expect(nodes.map(({ role }) => role).toSorted()).toEqual(['leader', 'silent', 'silent'])
  const follower = { ...nodes[0], host: 'old', version: null, role: 'follower' as const }
  expect(checkNodes([...nodes, follower as (typeof nodes)[0]])).toMatchObject([
    { check: 'version', message: expect.stringContaining('Node old') },
  ])
})

test('doctor names both nodes if a separate listener runs beside a feed in an app', async () => {
  const shop = await openMigratedShop()
  const { db } = await openFeed(shop, { publish: 'leader', publisher: { publish() {}, sockets: () => 3 } })
  const listener = shop.feed({ publish: 'leader', publisher: { publish() {} } })
  await listener.start()
  await eventually(async () => {
    const found = checkNodes(await listNodes(db)).filter(({ check }) => check === 'deployment')
    expect(found).toMatchObject([{ severity: 'warning', message: expect.stringContaining("`listener: 'separate'`") }])
  })
  await listener.stop()
  expect(checkNodes(await listNodes(db)).filter(({ check }) => check === 'deployment')).toEqual([])
})
