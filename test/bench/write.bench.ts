import { expect } from 'vitest'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { afterScope } from '../helpers/scope.ts'
import { bench } from './report/bench.ts'
import { type Figure, ratioOf } from './report/figure.ts'
import { IS_SHORT, sized } from './report/size.ts'
import { WriteBench } from './write.ts'
import { hasPgbench } from './write-load.ts'
import { capture, classic, logAndNotify, noTrigger, runFeed, subscription } from './write-subjects.ts'

const byStatement = { capture: 'statement' } as const

const byRow = capture('capture by row')
const withoutListener = [noTrigger, byRow, capture('capture by statement', byStatement)]
const rowAndFeed = capture('capture by row and feed', {}, runFeed)
const statementAndFeed = capture('capture by statement and feed', byStatement, runFeed)

const updateSubjects = IS_SHORT
  ? [noTrigger, byRow, rowAndFeed, classic]
  : [...withoutListener, rowAndFeed, statementAndFeed, classic, logAndNotify, subscription]

const bulkSubjects = IS_SHORT
  ? [...withoutListener, classic]
  : [
      ...withoutListener,
      capture('capture by row, origin tag', { originTag: true }),
      rowAndFeed,
      statementAndFeed,
      classic,
      logAndNotify,
      subscription,
    ]

bench('single-row updates by 1 to 64 writers', async ({ report }) => {
  const writes = await openBench()
  const figures: Figure[] = []
  for (const writers of IS_SHORT ? [1, 16] : [1, 4, 16, 64]) {
    figures.push(...(await writes.updates(updateSubjects, writers, sized(3, 1))))
  }
  const load = (await hasPgbench())
    ? 'pgbench'
    : 'a Node process, which takes part of the processor; pgbench is missing'
  report({
    title: 'Single-row updates',
    figures,
    notes: [`Writers: ${load}. All subjects share one server${IS_SHORT ? ', with fsync off' : ''}.`],
  })
  expect(ratioOf(figures, 'capture by row', '1 writer')).toBeGreaterThan(0.2)
  expect(ratioOf(figures, 'capture by row', '16 writers')).toBeGreaterThan(0.2)
  expect(ratioOf(figures, 'capture by row and feed', '16 writers')).toBeGreaterThan(0.05)
})

bench('statements of many rows', async ({ report }) => {
  const writes = await openBench()
  const inserts = await writes.bulkInsert(bulkSubjects, sized(100_000, 20_000))
  const updates = await writes.bulkUpdate(bulkSubjects)
  report({ title: 'Statements of many rows', figures: [...inserts, ...updates] })
  for (const figures of [inserts, updates]) {
    const at = figures[0]?.at ?? ''
    expect(ratioOf(figures, 'capture by row', at)).toBeLessThan(40)
    expect(ratioOf(figures, 'capture by statement', at)).toBeLessThan(20)
  }
})

/** `BENCH_DATABASE_URL`: an empty database of another server, with wal_level=logical. */
async function openBench() {
  const connectionString = process.env.BENCH_DATABASE_URL ?? (await scratchServer())
  const writes = await WriteBench.open({ connectionString, rounds: sized(5, 2) })
  afterScope(() => writes.close())
  return writes
}

async function scratchServer() {
  // What a shared disk does must not decide on the ratios of one short round.
  const settings = { fsync: IS_SHORT ? 'off' : 'on', max_wal_size: '4GB', wal_level: 'logical' }
  const server = await startEmbeddedPostgres({ settings })
  afterScope(() => server.stop('immediate'))
  return server.connectionString
}
