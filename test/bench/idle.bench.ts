import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect } from 'vitest'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { built, startCode } from '../helpers/program.ts'
import { processorTime } from './processor-time.ts'
import { bench } from './report/bench.ts'
import { figuresOf, ratioOf } from './report/figure.ts'
import { IS_SHORT } from './report/size.ts'

const SECONDS = 60
const MODELS = [3, 300]
const COLUMNS = Array.from({ length: 11 }, (_, n) => `value${n}`)

/** A feed with that many models, in a process of its own, whose processor time is read from outside. */
const feedProgram = (models: number) => `
  const { createChangefeed } = await import(${JSON.stringify(built('index.js'))})
  const attributes = { id: { type: 'number' }, ${COLUMNS.map(name => `${name}: { type: 'string' }`).join(', ')} }
  const model = { primaryKey: 'id', datastore: 'default', attributes, schema: attributes }
  const collections = Object.fromEntries(
    Array.from({ length: ${models} }, (_, n) => ['model' + n, { identity: 'model' + n, tableName: 'model' + n, ...model }]),
  )
  const feed = createChangefeed({ connectionString: process.env.URL, collections, publisher: { publish() {} } })
  await feed.install()
  await feed.start()
  await feed.settled()
  console.log('started')`

const createTable = (name: string) =>
  `create table ${name} (id serial primary key, ${COLUMNS.map(column => `${column} text`).join(', ')})`

bench.skipIf(IS_SHORT || !existsSync('/proc/self/stat'))(
  'processor time of an idle feed: takes minutes, reads /proc',
  async ({ report }) => {
    const shares: Record<string, readonly number[]> = {}
    for (const models of MODELS) shares[`${models} models`] = await idleShares(models)
    const figures = ['Node', 'Postgres'].flatMap((at, place) => {
      const samples = Object.entries(shares).map(([subject, share]) => [subject, share.slice(place, place + 1)])
      return figuresOf('% of a core', at, Object.fromEntries(samples))
    })
    report({ title: 'Processor time of an idle feed', figures, notes: [`Over ${SECONDS} s. Ratios are of 3 models.`] })
    expect(ratioOf(figures, '300 models', 'Node')).toBeLessThan(4)
    expect(ratioOf(figures, '300 models', 'Postgres')).toBeLessThan(8)
  },
)

/** Percent of one core that the feed and its server take. */
async function idleShares(models: number) {
  const server = await startEmbeddedPostgres()
  try {
    const { connectionString, pid = 0 } = server
    const client = new pg.Client(connectionString)
    await client.connect()
    await client.query(Array.from({ length: models }, (_, n) => createTable(`model${n}`)).join(';'))
    await client.end()
    const program = startCode(feedProgram(models), { URL: connectionString })
    await program.line(/^started/, 60_000)
    await sleep(2_000) // installing has left work to the server
    const shares = await processorShares([program.pid, pid])
    program.kill('SIGKILL')
    await program.ended
    return shares
  } finally {
    await server.stop('immediate')
  }
}

async function processorShares(pids: readonly number[]) {
  const before = await Promise.all(pids.map(processorTime))
  const began = performance.now()
  await sleep(SECONDS * 1_000)
  const took = performance.now() - began
  const after = await Promise.all(pids.map(processorTime))
  return pids.map((_, n) => (((after[n] ?? 0) - (before[n] ?? 0)) / took) * 100)
}
