import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect, test } from 'vitest'
import { createChangefeed } from '../../src/changefeed.ts'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { runStart } from '../bench/report/machine.ts'
import { eventually } from '../helpers/eventually.ts'
import { freePort } from '../helpers/port.ts'
import { startCode, startProgram, type TestProgram } from '../helpers/program.ts'
import { afterScope } from '../helpers/scope.ts'
import { startWaterline } from '../helpers/waterline.ts'
import { RETENTION_MS, soakServer, TOPICS, visitors, writer } from './programs.ts'
import { type Sample, seriesOf, writeSoakReport } from './report.ts'
import { grows, trendOf } from './trend.ts'

const MINUTES = Number(process.env.SOAK_MINUTES ?? 10)
const WRITES_PER_SECOND = 100
const VISITORS = 100
/** Until buffers are full and the log has its size. */
const WARM_UP_MINUTES = Math.min(MINUTES / 3, (RETENTION_MS / 60_000) * 4)
const SAMPLE_MS = Math.min(5_000, MINUTES * 1_000)

type ServerSample = Omit<Sample, 'minutes' | 'logMb' | 'logRows' | 'p50Ms' | 'p99Ms' | 'messages'>

interface Received {
  readonly messages: number
  readonly visits: number
  readonly caughtUp: number
  readonly gaps: number
  readonly failures: number
  readonly p50Ms: number
  readonly p99Ms: number
}

test(`memory, handles and lag stay level for ${MINUTES} minutes`, async () => {
  const start = runStart()
  const { connectionString, db } = await openDatabase()
  const port = await freePort()
  const server = startServer({ URL: connectionString, PORT: String(port) })
  await server.line(/^listening/)
  const before = await ask<ServerSample>(server, 'sample')
  const writing = startCode(writer(WRITES_PER_SECOND), { URL: connectionString })
  await writing.line(/^writing/)
  const visiting = startCode(visitors(VISITORS), { PORT: String(port) })
  await visiting.line(/^coming/)

  const samples: Sample[] = []
  const received: Received[] = []
  for (const began = performance.now(); performance.now() - began < MINUTES * 60_000; ) {
    await sleep(SAMPLE_MS)
    const latest = await ask<Received>(visiting, 'received')
    received.push(latest)
    const minutes = (performance.now() - began) / 60_000
    const { p50Ms, p99Ms, messages } = latest
    samples.push({
      minutes,
      ...(await ask<ServerSample>(server, 'sample')),
      ...(await logSize(db)),
      p50Ms,
      p99Ms,
      messages,
    })
  }

  const written = await ask<number>(writing, 'written')
  visiting.kill('SIGTERM')
  await visiting.ended
  writing.kill('SIGKILL')
  const after = await settledSample(server, before)
  const sum = (pick: (each: Received) => number) => received.reduce((total, each) => total + pick(each), 0)
  const counts = {
    written,
    messages: sum(each => each.messages),
    visits: sum(each => each.visits),
    'caught up': sum(each => each.caughtUp),
    gaps: sum(each => each.gaps),
    failures: sum(each => each.failures),
  }
  const notes = [
    `${MINUTES} minutes of ${WRITES_PER_SECOND} updates/s by four connections; ${VISITORS} clients that stay for 1 to 10 s, ` +
      `leave for up to 3 s and catch up. Retention ${RETENTION_MS / 1_000} s.`,
    Object.entries(counts)
      .map(([name, count]) => `${name}: ${count.toLocaleString('en-US')}`)
      .join('; '),
    `Before the clients came: ${summaryOf(before)}. After they left: ${summaryOf(after)}.`,
  ]
  console.log(
    notes.join('\n'),
    `\nThe report is in ${await writeSoakReport({ start, samples, warmUp: WARM_UP_MINUTES, notes })}`,
  )

  const late = samples.filter(({ minutes }) => minutes >= WARM_UP_MINUTES)
  const trend = (series: Parameters<typeof seriesOf>[1]) => trendOf(seriesOf(late, series))
  expect(grows(trend('heapMb'), { share: 0.2, amount: 10 }), 'the heap grows').toBe(false)
  expect(grows(trend('rssMb'), { share: 0.2, amount: 40 }), 'the resident memory grows').toBe(false)
  expect(grows(trend('handles'), { share: 0.2, amount: 20 }), 'the handles grow').toBe(false)
  expect(grows(trend('logRows'), { share: 0.5, amount: 20_000 }), 'the log grows').toBe(false)
  expect(after.handles - before.handles, 'handles are left of clients that left').toBeLessThanOrEqual(
    HANDLES_OF_THE_POOL,
  )
  expect(counts).toMatchObject({ gaps: 0, failures: 0 })
  expect(Math.min(counts.messages, counts['caught up'])).toBeGreaterThanOrEqual(counts.visits)
  expect(counts.written).toBeGreaterThan(WRITES_PER_SECOND * 60 * MINUTES * 0.5)
})

/** The pool opens connections as needed, each with timers, and timers of single requests come and go. */
const HANDLES_OF_THE_POOL = 10

async function openDatabase() {
  const postgres = await startEmbeddedPostgres()
  afterScope(() => postgres.stop('immediate'))
  const { connectionString } = postgres
  const { collections } = await startWaterline({
    connectionString,
    models: {
      topic: { attributes: { title: { type: 'string' }, version: { type: 'number' } } },
      ticker: { attributes: { at: { type: 'string' } } },
    },
    migrate: 'drop',
  })
  await createChangefeed({ connectionString, collections, retentionMs: RETENTION_MS }).install()
  const db = new pg.Client(connectionString)
  await db.connect()
  afterScope(() => db.end())
  await db.query(
    `insert into topic (id, title, version) select n, 'topic ' || n, 0 from generate_series(1, ${TOPICS}) as n`,
  )
  return { connectionString, db }
}

const startServer = (env: Readonly<Record<string, string>>) =>
  startProgram(process.execPath, ['--expose-gc', '--input-type=module', '--eval', soakServer], env)

async function ask<T>(program: TestProgram, name: string): Promise<T> {
  program.kill('SIGUSR2')
  return JSON.parse((await program.line(new RegExp(`^${name} `))).slice(name.length + 1)) as T
}

/** The server closes the connections of clients that left in the background. */
async function settledSample(server: TestProgram, before: ServerSample): Promise<ServerSample> {
  let sample = before
  await eventually(async () => {
    sample = await ask<ServerSample>(server, 'sample')
    expect(sample.connections).toBeLessThanOrEqual(before.connections + HANDLES_OF_THE_POOL)
  }).catch(() => {}) // asserted after the report is written
  return sample
}

async function logSize(db: pg.Client) {
  const { rows } = await db.query<{ bytes: string; rows: string }>(`
    select (select count(*) from changefeed.change) as rows, sum(pg_total_relation_size(relid)) as bytes
    from pg_partition_tree('changefeed.change') where isleaf`)
  return { logMb: Number(rows[0]?.bytes) / 2 ** 20, logRows: Number(rows[0]?.rows) }
}

const summaryOf = ({ rssMb, heapMb, handles, connections, timers }: ServerSample) =>
  `RSS ${rssMb.toFixed(0)} MB, heap ${heapMb.toFixed(1)} MB, ${handles} handles (${connections} connections, ${timers} timers)`
