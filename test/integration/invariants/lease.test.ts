import { afterEach, expect, test, vi } from 'vitest'
import { eventually } from '../../helpers/eventually.ts'
import { openInstalledShop } from '../feed/fixture.ts'

afterEach(() => vi.restoreAllMocks())

test.each([
  ['the clock on the wall', () => vi.spyOn(Date, 'now'), Date],
  ['the monotonic clock', () => vi.spyOn(performance, 'now'), performance],
] as const)(
  'a leader suspended for longer than its lease publishes nothing until it leads again (%s)',
  async (_name, watch, clock) => {
    const { feed: newFeed, database } = await openInstalledShop()
    const lives: number[] = []
    let life = 1
    const publisher = {
      publish() {
        lives.push(life)
        if (lives.length > 1) return
        // As after SIGSTOP and SIGCONT: time has passed, and no timer has fired.
        const now = clock.now()
        const started = process.hrtime.bigint()
        watch().mockImplementation(() => now + 8_000 + Number((process.hrtime.bigint() - started) / 1_000_000n))
      },
    }
    const feed = newFeed({ publisher })
    feed.on('disconnected', () => life++)
    await database.query(`insert into pet (id, name) select id, 'pet' from generate_series(1, 5) as id`)
    await feed.start()
    await feed.settled()
    expect(lives).toEqual([1, 2, 2, 2, 2])
  },
)

test('a leader keeps its lease while it accepts another history for a long time', async () => {
  const { feed: newFeed, database, published } = await openInstalledShop()
  const feed = newFeed()
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await database.query(`update changefeed.state set system_identifier = '1'`)
  const busy = await database.connect()
  await busy.query('begin; lock table changefeed.change in share mode') // stands for the duration of a large log
  const starting = feed.start()
  const renewals = async () => {
    const [lease] = await database.query<{ at: Date }>('select renewed_at as at from changefeed.lease')
    times.add(Number(lease?.at))
    expect(times.size).toBeGreaterThan(2)
  }
  const times = new Set<number>()
  await eventually(renewals, { withinMs: 15_000, everyMs: 200 })
  await busy.query('commit')
  await starting
  await feed.settled()
  expect(published.map(({ event }) => event.verb)).toEqual(['refetch', 'refetch', 'created'])
})

test('stopping a feed does not wait for accepting another history', async () => {
  const { feed: newFeed, database } = await openInstalledShop()
  const feed = newFeed()
  await database.query(`update changefeed.state set system_identifier = '1'`)
  const busy = await database.connect()
  await busy.query('begin; lock table changefeed.change in share mode')
  const starting = feed.start()
  const waiting = `select from pg_locks where relation = 'changefeed.change'::regclass and not granted`
  await eventually(async () => expect(await database.query(waiting)).toHaveLength(1))
  await feed.stop()
  await expect(starting).rejects.toThrow()
  await busy.query('commit')
})
