import pg from 'pg'
import { expect } from 'vitest'
import { migrateSchema } from '../../src/db/migrate.ts'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { startCode } from '../helpers/program.ts'
import { afterScope } from '../helpers/scope.ts'
import { feedProgram, logTableProgram } from './drain-programs.ts'
import { bench } from './report/bench.ts'
import { amountOf, figuresOf } from './report/figure.ts'
import { sized } from './report/size.ts'
import { capture, fill, logAndNotify, reset, runFeed, SCHEMA, type Subject, TABLE } from './write-subjects.ts'

const CHANGES = sized(500_000, 30_000)
const ROUNDS = sized(3, 1)
const ROWS = 10_000
const PATIENCE_MS = 600_000

interface Drain {
  readonly seconds: number
  readonly cpuMs: number
  readonly memoryMb: number
  readonly idleMb: number
}

interface Reader {
  readonly subject: Subject
  readonly program: string
}

const readers: readonly Reader[] = [
  { subject: logAndNotify, program: logTableProgram },
  { subject: capture('feed'), program: feedProgram },
]

bench('one process drains a backlog', async ({ report }) => {
  const server = await startEmbeddedPostgres({ settings: { max_wal_size: '8GB' } })
  afterScope(() => server.stop('immediate'))
  const { connectionString } = server
  const drains: Record<string, Drain[]> = Object.fromEntries(readers.map(({ subject }) => [subject.name, []]))
  await migrateSchema({ connectionString, applicationName: 'bench' }, SCHEMA)
  const db = new pg.Client({ connectionString })
  await db.connect()
  afterScope(() => db.end())
  await db.query(`${TABLE}; ${fill(ROWS)}`)
  for (let round = 0; round < ROUNDS; round++) {
    for (const reader of readers) drains[reader.subject.name]?.push(await drain(db, connectionString, reader))
  }
  const of = (pick: (drain: Drain) => number) =>
    Object.fromEntries(Object.entries(drains).map(([name, all]) => [name, all.map(pick)]))
  const figures = [
    ...figuresOf(
      'changes/s',
      'drained',
      of(({ seconds }) => CHANGES / seconds),
    ),
    ...figuresOf(
      'us/change',
      'processor time of Node',
      of(({ cpuMs }) => (cpuMs * 1_000) / CHANGES),
    ),
    ...figuresOf(
      'MB',
      'most memory',
      of(({ memoryMb }) => memoryMb),
    ),
    ...figuresOf(
      'MB',
      'before',
      of(({ idleMb }) => idleMb),
    ),
  ]
  report({ title: `A backlog of ${CHANGES.toLocaleString('en-US')} changes, drained by one process`, figures })
  // 5,000 changes/s of a whole core. The rate itself depends on what else the machine does.
  expect(amountOf(figures, 'feed', 'processor time of Node')).toBeLessThan(200)
  expect(amountOf(figures, 'feed', 'most memory') - amountOf(figures, 'feed', 'before')).toBeLessThan(250)
})

async function drain(db: pg.Client, connectionString: string, { subject, program }: Reader): Promise<Drain> {
  await reset(db)
  await subject.setUp(db)
  if (program === feedProgram) await (await runFeed(connectionString))() // stores a position, from which the process goes on
  await db.query(`
    do $$ begin
      for n in 1..${CHANGES} loop
        update bench set age = n where id = n % ${ROWS} + 1;
        if n % 100 = 0 then commit; end if;
      end loop;
    end $$`)
  const reading = startCode(program, { URL: connectionString, CHANGES: String(CHANGES) })
  const line = await reading.line(/^drained /, PATIENCE_MS)
  reading.kill('SIGTERM')
  await reading.ended
  return JSON.parse(line.slice(8)) as Drain
}
