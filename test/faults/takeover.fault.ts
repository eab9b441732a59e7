import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { startProxy } from '../helpers/proxy.ts'
import { openShop, type Shop } from '../integration/feed/fixture.ts'
import { type Listener, startListener } from './listeners.ts'

const TAKEOVER_MS = 15_000

/** A leader, a standby, and a writer that continues throughout. */
async function openCluster(leaderUrl?: (url: string) => string) {
  const shop = await openShop()
  await shop.feed().install()
  const url = shop.database.connectionString
  const leader = startListener(leaderUrl ? leaderUrl(url) : url)
  await leader.program.line(/"started","printedAt":\d+,"role":"leader"/)
  const standby = startListener(url)
  await standby.program.line(/"started","printedAt":\d+,"role":"standby"/)
  const writing = keepWriting(shop)
  await eventually(() => expect(leader.published().length).toBeGreaterThan(20))
  return { shop, leader, standby, writing }
}

function keepWriting({ database }: Shop) {
  let count = 0
  let going = true
  const done = (async () => {
    const client = await database.connect()
    while (going) await client.query(`insert into pet (id, name) values (${++count}, 'pet'); select pg_sleep(0.005)`)
    return count
  })()
  return {
    get count() {
      return count
    },
    stop() {
      going = false
      return done
    },
  }
}

const idOf = ({ event }: { event: object }) => Number('id' in event ? event.id : Number.NaN)

/** Every row was published by one of the nodes, and each kept the order. */
function expectComplete(count: number, ...listeners: Listener[]) {
  const ids = new Set(listeners.flatMap(listener => listener.published().map(idOf)))
  const lost = Array.from({ length: count }, (_, index) => index + 1).filter(id => !ids.has(id))
  expect(lost).toEqual([])
  for (const listener of listeners) {
    const own = listener.published().map(idOf)
    expect(own).toEqual([...own].sort((a, b) => a - b))
  }
}

/** Time from the fault to the first message of the other node. Printed, since operators need the figure. */
async function takeoverMs(fault: string, standby: Listener, since: number): Promise<number> {
  const first = await eventually(
    () => {
      const [published] = standby.published()
      expect(published).toBeDefined()
      return published
    },
    { withinMs: 30_000 },
  )
  const took = (first?.printedAt ?? 0) - since
  console.log(`takeover after ${fault}: ${took} ms`)
  return took
}

const finish = async (count: number, last: Listener) =>
  await eventually(() => expect(last.published().map(idOf)).toContain(count), { withinMs: 30_000 })

test('after SIGKILL of the leader the standby takes over', async () => {
  const { leader, standby, writing } = await openCluster()
  const since = Date.now()
  leader.program.kill('SIGKILL')
  expect(await takeoverMs('SIGKILL', standby, since)).toBeLessThan(TAKEOVER_MS)
  const count = await writing.stop()
  await finish(count, standby)
  expectComplete(count, leader, standby)
})

test('SIGTERM hands over at once without duplicates', async () => {
  const { leader, standby, writing } = await openCluster()
  await eventually(() => expect(writing.count).toBeGreaterThan(300))
  const since = Date.now()
  leader.program.kill('SIGTERM')
  expect(await takeoverMs('SIGTERM', standby, since)).toBeLessThan(2_000)
  const count = await writing.stop()
  await finish(count, standby)
  expectComplete(count, leader, standby)
  expect(leader.published().length + standby.published().length).toBe(count)
})

test('a leader stopped by SIGSTOP is replaced, and publishes nothing when it resumes', async () => {
  const { leader, standby, writing } = await openCluster()
  const since = Date.now()
  leader.program.kill('SIGSTOP')
  expect(await takeoverMs('SIGSTOP', standby, since)).toBeLessThan(TAKEOVER_MS)
  const before = leader.published().length
  const woken = Date.now()
  leader.program.kill('SIGCONT')
  await leader.program.line(/"leads no more"/)
  await leader.program.line(/"connected"/)
  const count = await writing.stop()
  await finish(count, standby)
  expectComplete(count, leader, standby)
  const late = leader
    .published()
    .slice(before)
    .filter(({ printedAt }) => printedAt >= woken)
  expect(late).toEqual([])
})

test('with a half-open connection the leader is replaced, stops by itself, and returns as a standby', async () => {
  const { connectionString } = (await openShop()).database
  const proxy = await startProxy(connectionString)
  const { leader, standby, writing } = await openCluster(url => proxy.through(url))
  const since = Date.now()
  proxy.freeze()
  expect(await takeoverMs('a half-open connection', standby, since)).toBeLessThan(TAKEOVER_MS)
  await leader.program.line(/"leads no more"/)
  const lost = leader.published().filter(({ printedAt }) => printedAt > since + 1_000)
  expect(lost).toEqual([])
  proxy.heal()
  const healed = Date.now()
  await leader.program.line(/"connected"/, 40_000)
  console.log(`back after the network: ${Date.now() - healed} ms`)
  const count = await writing.stop()
  await finish(count, standby)
  expectComplete(count, leader, standby)
})
