import { expect, test } from 'vitest'
import { parseCursor } from '../../../src/change-log/cursor.ts'
import { newestTick, type Position, storedPosition } from '../../../src/change-log/position.ts'
import type { Tick } from '../../../src/change-log/tick.ts'
import { openDatabase } from '../../../src/db/connect.ts'
import { type Resumption, resume, resumedAt, type SessionCheckpoint } from '../../../src/feed/tick-reader.ts'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { eventOf } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, summary } from '../feed/fixture.ts'

const recorder = () => {
  const events: string[] = []
  const publisher = {
    publish: (event: RecordEvent) => void events.push(...summary([{ event, meta: { cursor: '', at: 0 } }])),
  }
  return { events, publisher }
}

/** Two published and stored ticks, and the checkpoint of a process that stopped after the first. */
async function remembered() {
  const shop = await openInstalledShop()
  const feed = shop.feed()
  await feed.start()
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  const db = openDatabase({ connectionString: shop.database.connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  const first = (await newestTick(db)) as Tick
  await shop.database.query(`insert into pet (id, name) values (2, 'max')`)
  await feed.settled()
  await feed.stop()
  const stored = (await storedPosition(db, 1)) as Position
  const checkpoint: SessionCheckpoint = { ...resumedAt({ epoch: 1, tick: first }), timeline: '00000001' }
  const resumed = async (parts: Partial<Resumption>) => {
    const resumption = { epoch: 1, timeline: '00000001', checkpoint, leads: true, fanOut: 'cluster' as const, ...parts }
    return (await resume(db, resumption)).position
  }
  return { shop, db, first, stored, checkpoint, resumed }
}

test('a node that publishes for all resumes from the furthest of its own and the stored position', async () => {
  const { shop, stored, checkpoint, resumed } = await remembered()
  expect(stored.tick.id).toBeGreaterThan(checkpoint.position.tick.id)
  expect(await resumed({})).toEqual(stored)
  const id = stored.tick.id + 1n
  await shop.database.query(`insert into changefeed.tick select $1, '9999:9999:', now(), 0`, [String(id)])
  const further = { ...checkpoint, position: { ...stored, partial: { tick: id, seq: 1n } } }
  expect(await resumed({ checkpoint: further })).toEqual(further.position)
})

test('a node that publishes to its own sockets resumes from its own position', async () => {
  const { stored, checkpoint, resumed, shop } = await remembered()
  for (const leads of [true, false]) {
    expect(await resumed({ leads, fanOut: 'local' })).toEqual(checkpoint.position)
  }
  expect(await resumed({ leads: true, fanOut: 'local', checkpoint: null })).toEqual(stored)
  expect(await resumed({ leads: false, fanOut: 'local', checkpoint: null })).toEqual(stored)
  await shop.database.query(`update changefeed.state set oldest_tick = $1`, [String(stored.tick.id)])
  for (const leads of [true, false]) {
    expect(await resumed({ leads, fanOut: 'local' })).toEqual({ epoch: 1, tick: stored.tick, gap: 'gap' })
  }
})

test.each(['00000001', '00000002'])('snapshots of lost ticks are not used (timeline %s)', async timeline => {
  const { first, stored, resumed } = await remembered()
  const before = { epoch: 1, tick: first, gap: 'gap' }
  const [id, nextId] = [first.id, stored.tick.id + 1n]
  const lost: Position[] = [
    { epoch: 1, tick: { id, snapshot: '9999:9999:' } },
    { epoch: 1, tick: first, partial: { tick: nextId, seq: 1n } },
  ]
  for (const position of lost) {
    const checkpoint = { ...resumedAt(position), timeline: '00000001' }
    expect(await resumed({ timeline, checkpoint })).toEqual(stored)
    for (const leads of [true, false]) {
      expect(await resumed({ timeline, checkpoint, leads, fanOut: 'local' })).toEqual(before)
    }
  }
  const newest = { ...resumedAt({ epoch: 1, tick: { id: nextId, snapshot: '9999:9999:' } }), timeline: '00000001' }
  const here = { timeline, checkpoint: newest, leads: true, fanOut: 'local' as const }
  expect(await resumed(here)).toEqual({ epoch: 1, tick: stored.tick, gap: 'gap' })
})

test('ticks that another timeline has are used', async () => {
  const { first, stored, resumed } = await remembered()
  const timeline = '00000002'
  expect(await resumed({ timeline })).toEqual(stored)
  expect(await resumed({ timeline, leads: false, fanOut: 'local' })).toEqual({ epoch: 1, tick: first })
})

test('after a new epoch, nodes notify their own sockets', async () => {
  const { stored, checkpoint, resumed } = await remembered()
  const former = { ...checkpoint, position: { ...checkpoint.position, epoch: 0 } }
  expect(await resumed({ checkpoint: former, leads: false, fanOut: 'local' })).toEqual({
    epoch: 1,
    tick: stored.tick,
    gap: 'epoch',
  })
})

/** Two nodes that publish to their own sockets. The publisher of the second one is blocked. */
async function leaderAndSlowFollower() {
  const shop = await openInstalledShop()
  const follower = recorder()
  let held: Promise<void> | undefined
  let release = () => {}
  const publisher = {
    async publish(event: RecordEvent) {
      await held
      follower.publisher.publish(event)
    },
  }
  const hold = () => {
    held = new Promise(resolve => {
      release = resolve
    })
  }
  const [first, second] = [shop.feed({ publish: 'local' }), shop.feed({ publish: 'local', publisher })]
  await first.start()
  await second.start()
  expect([first.status().role, second.status().role]).toEqual(['leader', 'follower'])
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await second.settled()
  return { shop, first, second, follower, hold, release: () => release() }
}

test('a follower slower than the retention detects it and notifies its clients', async () => {
  const { shop, first, second, follower, hold, release } = await leaderAndSlowFollower()
  hold()
  await shop.database.query(`insert into pet (id, name) values (2, 'held')`)
  await first.settled()
  for (const id of [3, 4, 5]) {
    await shop.database.query(`insert into pet (id, name) values (${id}, 'freed')`)
    await first.settled()
  }
  // As the leader frees space when the log exceeds its limit.
  await shop.database.query(`
    delete from changefeed.change where new like '%freed%';
    update changefeed.state set oldest_tick = (select max(id) from changefeed.tick);
    delete from changefeed.tick where id < (select max(id) from changefeed.tick)`)
  const gap = eventOf(second, 'gap', { withinMs: 10_000 })
  release()
  expect(await gap).toEqual([{ reason: 'gap', identities: ['user', 'pet'] }])
  await shop.database.query(`insert into pet (id, name) values (6, 'new')`)
  await second.settled()
  expect(follower.events).toEqual(['created pet 1', 'created pet 2', 'refetch user', 'refetch pet', 'created pet 6'])
})

test('a gap that could not be published is published by the next leader', async () => {
  const shop = await openInstalledShop()
  let down = true
  const { events, publisher: told } = recorder()
  const publisher = {
    async publish(event: RecordEvent) {
      if (down) throw Object.assign(new Error('backend down'), { retryable: true })
      told.publish(event)
    },
  }
  const options = { publisher, publish: 'leader' as const, backlogLimitBytes: 1_000_000 }
  const first = shop.feed(options)
  await first.start()
  const gap = eventOf(first, 'gap', { withinMs: 25_000 })
  await shop.database.query(
    `insert into pet (id, name) select id, repeat('x', 500) from generate_series(1, 3000) as id`,
  )
  await gap
  await first.stop()
  expect(events).toEqual([])
  down = false
  const second = shop.feed(options)
  await second.start()
  await shop.database.query(`insert into pet (id, name) values (9000, 'new')`)
  await second.settled()
  await second.stop()
  expect(events).toEqual(['refetch user', 'refetch pet', 'created pet 9000'])
  const third = shop.feed(options)
  await third.start()
  await third.settled()
  expect(events).toHaveLength(3)
})

test('clients of a restored database are notified of the new epoch even if the first leader fails', async () => {
  const shop = await openInstalledShop()
  const feed = shop.feed({ publish: 'leader' })
  await feed.start()
  await feed.settled()
  await feed.stop()
  await shop.database.query(`update changefeed.state set system_identifier = '1'`)
  const down = {
    async publish() {
      throw Object.assign(new Error('backend down'), { retryable: true })
    },
  }
  const [before] = await shop.database.query<{ epoch: number }>('select epoch from changefeed.state')
  const failing = shop.feed({ publish: 'leader', publisher: down })
  const tried = eventOf(failing, 'error')
  await failing.start()
  await tried
  await failing.stop()
  const { events, publisher } = recorder()
  const next = shop.feed({ publish: 'leader', publisher })
  await next.start()
  await next.settled()
  expect(events).toEqual(['refetch user', 'refetch pet'])
  expect(parseCursor(await next.cursor()).epoch).toBe((before?.epoch ?? 0) + 1)
})
