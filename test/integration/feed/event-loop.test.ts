import { expect, test } from 'vitest'
import { openInstalledShop } from './fixture.ts'

/** Longer than a leader trusts a lease without renewal. */
const PAGE_MS = 9_000
const CALL_MS = 30
const CHANGES = PAGE_MS / CALL_MS

/** Blocks the event loop, as an emit to thousands of sockets or an app function does. */
function block(ms: number) {
  const end = performance.now() + ms
  while (performance.now() < end);
}

test('a page that takes longer than the lease yields to the event loop, and the lease is renewed', async () => {
  const { database, feed: newFeed } = await openInstalledShop()
  let turn = 0
  const publishedIn: number[] = []
  const publisher = {
    publish() {
      publishedIn.push(turn)
      block(CALL_MS)
    },
  }
  const feed = newFeed({ publisher })
  let disconnected = 0
  feed.on('disconnected', () => disconnected++)
  await feed.start()
  const counting = setInterval(() => turn++, 1)
  await database.query(`insert into pet (name) select 'rex' from generate_series(1, ${CHANGES})`)
  await feed.settled()
  clearInterval(counting)
  expect(publishedIn).toHaveLength(CHANGES)
  // A call takes longer than a time slice, so the event loop turns between calls, and the timer is usually due.
  expect(new Set(publishedIn).size).toBeGreaterThan(CHANGES * 0.9)
  expect(disconnected).toBe(0)
  const [lease] = await database.query<{ age: number }>(
    `select extract(epoch from clock_timestamp() - renewed_at)::int as age from changefeed.lease`,
  )
  expect(lease?.age).toBeLessThan(6)
})

test('a buffering publisher is drained between time slices and after each page', async () => {
  const { database, feed: newFeed } = await openInstalledShop()
  const seen: string[] = []
  const publisher = {
    publish() {
      seen.push('publish')
      block(CALL_MS)
    },
    async drained() {
      await new Promise(resolve => setTimeout(resolve, 1))
      seen.push('drained')
    },
  }
  const feed = newFeed({ publisher })
  await feed.start()
  await database.query(`insert into pet (name) values ('rex'), ('max')`)
  await feed.settled()
  expect(seen.join(' ')).toMatch(/^(drained )?publish( drained)+ publish( drained)+$/)
})
