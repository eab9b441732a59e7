import { EventEmitter, once } from 'node:events'
import pg from 'pg'
import { expect } from 'vitest'
import { createChangefeed } from '../../src/changefeed.ts'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { afterScope } from '../helpers/scope.ts'
import { bench } from './report/bench.ts'
import { amountOf, figuresOf } from './report/figure.ts'
import { IS_SHORT, sized } from './report/size.ts'
import { collections, fill, TABLE } from './write-subjects.ts'

const READS = sized(500, 100)
const RETAINED = IS_SHORT ? [0, 50_000] : [0, 100_000, 1_000_000]
const RETENTION_MS = 3_600_000

bench('the cost of a read against the size of the log', async ({ report }) => {
  const server = await startEmbeddedPostgres({ settings: { max_wal_size: '8GB' } })
  afterScope(() => server.stop('immediate'))
  const { connectionString } = server
  const writer = await connect(connectionString)
  await writer.query(TABLE)
  const published = new EventEmitter()
  const publisher = { publish: () => void published.emit('event') }
  const feed = createChangefeed({ connectionString, collections, publisher, retentionMs: RETENTION_MS })
  afterScope(() => feed.stop())
  await feed.install()
  await feed.start()
  const times: Record<string, number[]> = {}
  for (const [place, retained] of RETAINED.entries()) {
    await writer.query(fill(retained - (RETAINED[place - 1] ?? 0)))
    await feed.settled()
    times[`${retained.toLocaleString('en-US')} retained changes`] = await readTimes(writer, published)
  }
  const other = await connect(connectionString)
  await other.query('begin isolation level repeatable read; select 1')
  times['the same, and an old snapshot'] = await readTimes(writer, published)
  const figures = figuresOf('ms', 'median', times)
  report({ title: 'From the commit until published in the process, against the size of the log', figures })
  const [first = Number.NaN, ...rest] = Object.keys(times).map(subject => amountOf(figures, subject, 'median'))
  for (const median of rest) expect(median / first).toBeLessThan(4)
})

async function connect(connectionString: string) {
  const client = new pg.Client(connectionString)
  await client.connect()
  afterScope(() => client.end())
  return client
}

/** One change at a time, so that each is a tick of its own. */
async function readTimes(writer: pg.Client, published: EventEmitter): Promise<number[]> {
  const times: number[] = []
  for (let read = 0; read < READS; read++) {
    const event = once(published, 'event')
    await writer.query('insert into bench (name) values ($1)', ['one'])
    const committed = performance.now()
    await event
    times.push(performance.now() - committed)
  }
  return times
}
