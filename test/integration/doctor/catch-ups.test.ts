import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { readStatus } from '../../../src/doctor/status.ts'
import { FeedMetrics } from '../../../src/monitor/metrics.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { feedingApp } from '../realtime/feeding-app.ts'

test('status and metrics tell that returning clients do not receive what they missed', async () => {
  const { database, feed, connect } = await feedingApp(undefined, { catchUp: { maxMessages: 5 } })
  const db = openDatabase({ connectionString: database.connectionString, applicationName: 'status' }, 'changefeed')
  afterScope(() => db.close())
  const metrics = new FeedMetrics(feed, db)
  const cursor = await feed.cursor()
  await database.query(`insert into pet (name) select 'pet' from generate_series(1, 20)`) // nobody hears them
  await feed.settled()
  const client = await connect()
  await client.get('/pet')
  for (let time = 0; time < 10; time++) {
    const { body } = await client.get('/changefeed/since', { cursor })
    expect(body.gaps).toMatchObject([{ reason: 'tooMuch' }])
  }
  await client.get('/changefeed/since', { cursor: 'x' })
  await eventually(
    async () => {
      const { problems } = await readStatus(db)
      expect(problems).toEqual([
        { check: 'catch-up', severity: 'warning', message: expect.stringContaining('10 of 11 sockets') },
      ])
    },
    { withinMs: 20_000 },
  )
  const lines = (await metrics.text()).split('\n')
  expect(lines).toContain('changefeed_catch_ups_total{outcome="tooMuch"} 10')
  expect(lines).toContain('changefeed_catch_ups_total{outcome="malformed"} 1')
  const counted = (metric: string) => Number(lines.find(line => line.startsWith(metric))?.split(' ')[1])
  const read = counted('changefeed_catch_up_ranges_total{source="log"}')
  expect(read).toBeGreaterThan(0)
  expect(counted('changefeed_catch_up_ranges_total{source="shared"}')).toBe(9 * read)
  expect(counted('changefeed_catch_up_read_seconds_count')).toBe(read)
})
