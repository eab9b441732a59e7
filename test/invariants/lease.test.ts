import { afterEach, expect, test, vi } from 'vitest'
import { openShop } from '../feed/fixture.ts'

afterEach(() => vi.restoreAllMocks())

test.each([
  ['the clock on the wall', () => vi.spyOn(Date, 'now'), Date],
  ['the monotonic clock', () => vi.spyOn(performance, 'now'), performance],
] as const)(
  'a leader that stood still for longer than its lease publishes nothing before it leads anew (%s)',
  async (_name, watch, clock) => {
    const { feed: newFeed, database } = await openShop()
    const lives: number[] = []
    let life = 1
    const publisher = {
      publish() {
        lives.push(life)
        if (lives.length > 1) return
        // As after SIGSTOP and SIGCONT: time has passed, and none of our timers has run.
        const now = clock.now()
        const started = process.hrtime.bigint()
        watch().mockImplementation(() => now + 8_000 + Number((process.hrtime.bigint() - started) / 1_000_000n))
      },
    }
    const feed = newFeed({ publisher })
    feed.on('disconnected', () => life++)
    await feed.install()
    await database.query(`insert into pet (id, name) select id, 'pet' from generate_series(1, 5) as id`)
    await feed.start()
    await feed.settled()
    expect(lives).toEqual([1, 2, 2, 2, 2])
  },
)
