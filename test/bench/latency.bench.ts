import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect } from 'vitest'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { startCode } from '../helpers/program.ts'
import { connectSailsClient, type SailsClient } from '../helpers/sails-client.ts'
import { afterScope } from '../helpers/scope.ts'
import { startWaterline } from '../helpers/waterline.ts'
import { petShop } from '../integration/feed/fixture.ts'
import { background, type LatencySubject, latencySubjects } from './latency-subjects.ts'
import { bench } from './report/bench.ts'
import { amountOf, type Figure, figuresOf, percentile } from './report/figure.ts'
import { sized } from './report/size.ts'

const WRITES = sized(400, 60)
const ROUNDS = sized(5, 1)

interface Running {
  readonly name: string
  readonly losesChanges: boolean
  readonly url: string
  readonly writer: pg.Client
  readonly client: SailsClient
}

bench('latency from commit to socket', async ({ report }) => {
  const server = await startEmbeddedPostgres({ settings: { fsync: 'on', wal_level: 'logical' } })
  afterScope(() => server.stop('immediate'))
  const subjects: Running[] = []
  for (const [place, subject] of latencySubjects.entries()) {
    subjects.push(await start(subject, await createDatabase(server.connectionString, `subject${place}`)))
  }
  const idle = await takeTurns(subjects, latencies)
  const reliable = subjects.filter(({ losesChanges }) => !losesChanges)
  const loaded = await takeTurns(reliable, latenciesUnderLoad)
  const figures = summary(idle)
  const notes = [`${ROUNDS} rounds of ${WRITES} writes each, 3 to 8 ms apart.`]
  report({ title: 'Latency from commit to socket, idle', figures, notes })
  const title = 'Latency from commit to socket, beside 300 other transactions/s'
  const lost = 'Without the log table with NOTIFY, which loses changes when transactions overlap.'
  report({ title, figures: summary(loaded), notes: [...notes, lost] })
  // Both read a log after a notification. The classic trigger does not, and depends more on how busy the machine is.
  expect(amountOf(figures, 'feed', 'p50') / amountOf(figures, 'log table and NOTIFY', 'p50')).toBeLessThan(5)
})

async function createDatabase(serverUrl: string, name: string) {
  const admin = new pg.Client(serverUrl)
  await admin.connect()
  await admin.query(`create database ${name}`)
  await admin.end()
  return serverUrl.replace(/postgres$/, name)
}

async function start({ name, losesChanges = false, setUp, program }: LatencySubject, url: string): Promise<Running> {
  const { stop } = await startWaterline({ connectionString: url, models: petShop, migrate: 'drop' })
  await stop()
  await setUp(url)
  const writer = new pg.Client(url)
  await writer.connect()
  afterScope(() => writer.end())
  await writer.query(`insert into "user" (name) select 'name' from generate_series(1, 4)`)
  const port = Number((await startCode(program, { URL: url }).line(/^port /)).slice(5))
  return { name, losesChanges, url, writer, client: await connectSailsClient({ port }) }
}

async function takeTurns(subjects: readonly Running[], measure: (subject: Running) => Promise<number[]>) {
  const samples: Record<string, number[]> = Object.fromEntries(subjects.map(({ name }) => [name, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const subject of subjects) samples[subject.name]?.push(...(await measure(subject)))
  }
  return samples
}

/** From the moment that the writer knows of its commit until the message is in the client's hands, in ms. */
async function latencies({ writer, client: { messages } }: Running): Promise<number[]> {
  const measured: number[] = []
  for (let write = 0; write < WRITES; write++) {
    await sleep(3 + Math.random() * 5) // idle between the writes, out of step with any timer
    messages.clear()
    const arrival = messages.next('pet').then(() => performance.now())
    await writer.query(`insert into pet (name) values ('rex')`)
    const committed = performance.now()
    measured.push(Math.max(0, (await arrival) - committed))
  }
  return measured
}

async function latenciesUnderLoad(subject: Running): Promise<number[]> {
  const load = startCode(background, { URL: subject.url })
  await load.line(/^writing/)
  const measured = await latencies(subject)
  load.kill('SIGKILL')
  await load.ended
  return measured
}

const summary = (samples: Record<string, number[]>): Figure[] =>
  [0.5, 0.9, 0.99].flatMap(share => {
    const values = Object.entries(samples).map(([name, measured]) => [name, [percentile(measured, share)]])
    return figuresOf('ms', `p${share * 100}`, Object.fromEntries(values))
  })
