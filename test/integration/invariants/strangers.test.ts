import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { listenerGrants } from '../../../src/db/foreign-rights.ts'
import { foreignGateHolders } from '../../../src/leader/gate-holders.ts'
import { readReadiness } from '../../../src/monitor/health.ts'
import { gateKey, wakeChannel } from '../../../src/wakeup/channel.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openShop } from '../feed/fixture.ts'

/** A listener's role with minimal privileges, and another role that may only connect. */
async function openHostileShop() {
  const shop = await openShop()
  const { database } = shop
  await shop.feed().install()
  const [listener, stranger] = [await database.role(), await database.role()]
  for (const grant of listenerGrants('changefeed', listener.name)) await database.query(grant)
  const client = await database.connect({ connectionString: stranger.connectionString, application_name: 'intruder' })
  const feed = shop.feed({ connectionString: listener.connectionString })
  const db = openDatabase({ connectionString: listener.connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  return { ...shop, feed, stranger, client, db }
}

test.each(['', '_shared'])(
  'another role that holds the gate (%s) causes only notifications, and is reported',
  async mode => {
    const { database, feed, published, stranger, client, db } = await openHostileShop()
    await client.query(`select pg_advisory_lock${mode}($1, $2)`, [...gateKey('changefeed')])
    await feed.start()
    expect(feed.status().role).toBe('leader')
    await eventually(async () => expect((await readReadiness(feed, db, 30_000)).ok).toBe(true))
    const latencies: number[] = []
    for (let id = 1; id <= 10; id++) {
      await database.query(`insert into pet (id, name) values (${id}, 'rex')`)
      const since = performance.now()
      await eventually(() => expect(published).toHaveLength(id), { everyMs: 2 })
      latencies.push(performance.now() - since)
    }
    expect(latencies.toSorted((a, b) => a - b)[5]).toBeLessThan(300)
    await client.query('select 1') // the session was not terminated
    if (mode === '_shared') return // indistinguishable from a writer without the privilege to see its activity
    const [holder, ...others] = await foreignGateHolders(db)
    expect(others).toEqual([])
    expect(holder).toMatchObject({ role: stranger.name, application: 'intruder', address: null })
    const { ok, warnings } = await readReadiness(feed, db, 30_000)
    expect([ok, warnings]).toEqual([true, [expect.stringContaining(`role "${stranger.name}"`)]])
  },
)

test('the feed installs, leads and publishes while others hold all advisory keys that it ever used', async () => {
  const shop = await openShop()
  const stranger = await shop.database.role()
  const client = await shop.database.connect({ connectionString: stranger.connectionString })
  const key = createHash('md5').update('changefeed').digest().readInt32BE(6)
  for (const space of [0x57_4c_00_01, 0x57_4c_00_02, 0x57_4c_00_03]) {
    await client.query('select pg_advisory_lock($1, $2)', [space, key])
  }
  await client.query('select pg_advisory_lock($1, 0)', [0x57_4c_00_00])
  await client.query('select pg_advisory_lock(3853314791062309107)') // Kysely's
  const feed = shop.feed()
  await feed.install()
  await feed.start()
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  expect(shop.published).toHaveLength(1)
})

test('a flood of notifications causes a limited number of reads', async () => {
  const { database, feed, published, client } = await openHostileShop()
  await feed.start()
  await eventually(() => expect(feed.status().mode).toBe('asleep'))
  let reads = 0
  feed.on('read', () => reads++)
  const since = performance.now()
  while (performance.now() - since < 1_000) {
    await client.query(`select pg_notify($1, number::text) from generate_series(1, 50) as number`, [
      wakeChannel('changefeed'),
    ])
  }
  expect(reads).toBeLessThan(150)
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await eventually(() => expect(published).toHaveLength(1))
})

test('no node is ready without a fresh lease', async () => {
  const { database, feed, db } = await openHostileShop()
  await feed.start()
  await eventually(async () => expect(await readReadiness(feed, db, 30_000)).toEqual({ ok: true, reasons: [] }))
  await database.query(`update changefeed.lease set renewed_at = now() - interval '11 seconds', term = term + 1`)
  expect(await readReadiness(feed, db, 30_000)).toEqual({
    ok: false,
    reasons: [expect.stringMatching(/There is no leader/)],
  })
})
