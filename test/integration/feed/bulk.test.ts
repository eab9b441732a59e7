import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { openInstalledShop } from './fixture.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Live memory in MiB. */
function liveMemory() {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 2 ** 20
}

/** Counts events, and measures at every `every`th. */
function counter(every: number) {
  const samples: number[] = []
  let events = 0
  const ids: unknown[] = []
  const publisher = {
    publish(event: RecordEvent) {
      events += 1
      if ('id' in event && ids.at(-1) !== event.id) ids[0] = event.id
      if (events % every === 0) samples.push(liveMemory())
    },
  }
  return { publisher, samples, events: () => events }
}

test('publishes 200,000 rows of one transaction with constant memory', { timeout: 120_000 }, async () => {
  const { database, feed: newFeed } = await openInstalledShop()
  const { publisher, samples, events } = counter(20_000)
  const feed = newFeed({ publisher })
  await feed.start()
  await database.query(`insert into pet (id, name) select id, 'pet ' || id from generate_series(1, 200000) as id`)
  await feed.settled()
  expect(events()).toBe(200_000)
  expect(Math.max(...samples) - Math.min(...samples)).toBeLessThan(16)
})

test('five times as many rows of 2 MiB need no more memory', { timeout: 120_000 }, async () => {
  const { database, feed: newFeed } = await openInstalledShop()
  const { publisher, samples, events } = counter(5)
  const feed = newFeed({ publisher })
  await feed.start()
  const memoryOf = async (first: number, last: number) => {
    samples.length = 0
    await database.query(
      `insert into pet (id, name) select id, repeat('x', 2 * 1024 * 1024) from generate_series($1::int, $2::int) as id`,
      [first, last],
    )
    await feed.settled()
    expect(events()).toBe(last)
    return median(samples)
  }
  const growth = -(await memoryOf(1, 20)) + (await memoryOf(21, 120))
  expect(growth).toBeLessThan(40) // all rows at once: 160
})

/** Not the peak: Node frees some buffers only after the collection that a sample begins with. */
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

test('after a stop within a large transaction, the next feed resumes at the same change', async () => {
  const { database, feed: newFeed } = await openInstalledShop()
  const seen: unknown[] = []
  const first = newFeed({
    publisher: {
      publish(event: RecordEvent) {
        if ('id' in event) seen.push(event.id)
        if (seen.length === 1_700) void first.stop()
      },
    },
  })
  await database.query(`insert into pet (id, name) select id, 'pet' from generate_series(1, 3000) as id`)
  await first.start()
  await first.settled().catch(() => {})
  await first.stop()
  expect(seen).toHaveLength(1_700)
  const second = newFeed({
    publisher: { publish: (event: RecordEvent) => void ('id' in event && seen.push(event.id)) },
  })
  await second.start()
  await second.settled()
  expect(seen).toEqual(Array.from({ length: 3_000 }, (_, index) => index + 1))
})
