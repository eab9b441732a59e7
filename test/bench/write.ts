import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { migrateSchema } from '../../src/db/migrate.ts'
import { capture, classic, fill, noTrigger, reset, runFeed, SCHEMA, type Subject, TABLE } from './write-subjects.ts'

export interface WriteBenchOptions {
  /** An empty database. Its server should have fsync on. */
  readonly connectionString: string
  readonly rounds?: number
  readonly seconds?: number
  readonly clients?: readonly number[]
  /** Rows of one INSERT. */
  readonly bulkRows?: number
}

export interface Figure {
  readonly subject: string
  /** Median over the rounds. */
  readonly value: number
  /** Of the first subject's. */
  readonly ratio: number
}

export interface WriteBenchResult {
  /** Transactions a second of single-row updates, by number of clients. Empty where there is no pgbench. */
  readonly updates: ReadonlyMap<number, readonly Figure[]>
  /** Microseconds a row of one INSERT of many rows. */
  readonly bulkInsert: readonly Figure[]
  /** The same of one UPDATE. */
  readonly bulkUpdate: readonly Figure[]
}

const UPDATED_ROWS = 10_000

const byStatement = { capture: 'statement' } as const

const updateSubjects = [
  noTrigger,
  capture('capture by row'),
  capture('capture by row and feed', {}, runFeed),
  capture('capture by statement', byStatement),
  capture('capture by statement and feed', byStatement, runFeed),
  classic,
]

const bulkSubjects = [
  noTrigger,
  capture('capture by row'),
  capture('capture by row, origin tag', { originTag: true }),
  capture('capture by row and feed', {}, runFeed),
  capture('capture by statement', byStatement),
  capture('capture by statement and feed', byStatement, runFeed),
  classic,
]

/** What capture costs the writes of an app. Subjects take turns in each round, so that all meet the same noise. */
export async function measureWrites(options: WriteBenchOptions): Promise<WriteBenchResult> {
  const { connectionString, rounds = 5, clients = [1, 16] } = options
  await migrateSchema({ connectionString, applicationName: 'bench' }, SCHEMA)
  const db = new pg.Client({ connectionString })
  await db.connect()
  try {
    await db.query(TABLE)
    const updates = new Map<number, Figure[]>()
    for (const count of (await hasPgbench()) ? clients : []) {
      updates.set(count, await takeTurns(db, options, updateSubjects, rounds, () => updateRate(count, options)))
    }
    const bulkInsert = await takeTurns(db, options, bulkSubjects, rounds, () => bulkInsertCost(db, options))
    const bulkUpdate = await takeTurns(db, options, bulkSubjects, rounds, () => bulkUpdateCost(db))
    return { updates, bulkInsert, bulkUpdate }
  } finally {
    await db.end()
  }
}

async function takeTurns(
  db: pg.Client,
  { connectionString }: WriteBenchOptions,
  subjects: readonly Subject[],
  rounds: number,
  measure: () => Promise<number>,
): Promise<Figure[]> {
  const measured = subjects.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, subject] of subjects.entries()) {
      await reset(db)
      await db.query(`truncate bench restart identity; ${fill(UPDATED_ROWS)}`)
      await db.query('vacuum analyze bench')
      await subject.setUp(db)
      await db.query('checkpoint')
      const stop = await subject.start?.(connectionString)
      measured[index]?.push(await measure())
      await stop?.()
    }
  }
  const medians = measured.map(median)
  return subjects.map(({ name }, index) => toFigure(name, medians[index] ?? Number.NaN, medians[0] ?? Number.NaN))
}

const toFigure = (subject: string, value: number, base: number): Figure => ({ subject, value, ratio: value / base })

const run = promisify(execFile)

const hasPgbench = () =>
  run('pgbench', ['--version']).then(
    () => true,
    () => false,
  )

/** pgbench and not node-postgres: a client in JavaScript would be what is measured. */
async function updateRate(clients: number, { connectionString, seconds = 3 }: WriteBenchOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'changefeed-bench-'))
  const script = join(folder, 'update.sql')
  try {
    await writeFile(script, `\\set i random(1, ${UPDATED_ROWS})\nupdate bench set age = age + 1 where id = :i;\n`)
    const how = ['--no-vacuum', '--protocol=prepared', '--jobs=1']
    const { stdout } = await run('pgbench', [
      ...how,
      `--client=${clients}`,
      `--time=${seconds}`,
      `--file=${script}`,
      connectionString,
    ])
    const [, rate] = /^tps = ([\d.]+)/m.exec(stdout) ?? []
    return Number(rate)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function bulkInsertCost(db: pg.Client, { bulkRows = 100_000 }: WriteBenchOptions) {
  const began = performance.now()
  await db.query(fill(bulkRows))
  return ((performance.now() - began) * 1000) / bulkRows
}

async function bulkUpdateCost(db: pg.Client) {
  const began = performance.now()
  await db.query('update bench set age = age + 1')
  return ((performance.now() - began) * 1000) / UPDATED_ROWS
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

/** The result as text, a table for each figure. */
export function formatWrites({ updates, bulkInsert, bulkUpdate }: WriteBenchResult): string {
  const tables = [...updates].map(([clients, figures]) =>
    table(`single-row UPDATE, ${clients} clients, transactions/s`, figures, 0),
  )
  const bulk = [
    table('INSERT of many rows, microseconds/row', bulkInsert, 2),
    table('UPDATE of many rows, microseconds/row', bulkUpdate, 2),
  ]
  return [...tables, ...bulk].join('\n\n')
}

const table = (title: string, figures: readonly Figure[], digits: number) =>
  [
    title,
    ...figures.map(
      ({ subject, value, ratio }) =>
        `  ${subject.padEnd(32)}${value.toFixed(digits).padStart(9)}${ratio.toFixed(2).padStart(7)}`,
    ),
  ].join('\n')
