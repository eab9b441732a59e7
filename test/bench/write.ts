import pg from 'pg'
import { migrateSchema } from '../../src/db/migrate.ts'
import { type Figure, figuresOf } from './report/figure.ts'
import { updateRate } from './write-load.ts'
import { fill, reset, SCHEMA, type Subject, TABLE } from './write-subjects.ts'

const UPDATED_ROWS = 10_000

export interface WriteBenchOptions {
  /** An empty database. Its server should have fsync on. */
  readonly connectionString: string
  readonly rounds: number
}

/** Measures what the subjects cost the writes of an app. */
export class WriteBench {
  readonly #options: WriteBenchOptions
  readonly #db: pg.Client

  private constructor(options: WriteBenchOptions, db: pg.Client) {
    this.#options = options
    this.#db = db
  }

  static async open(options: WriteBenchOptions): Promise<WriteBench> {
    const { connectionString } = options
    await migrateSchema({ connectionString, applicationName: 'bench' }, SCHEMA)
    const db = new pg.Client({ connectionString })
    await db.connect()
    await db.query(`drop table if exists bench; ${TABLE}`)
    return new WriteBench(options, db)
  }

  async close(): Promise<void> {
    await this.#db.end()
  }

  /** Transactions a second of single-row updates, by that many writers for that many seconds. */
  async updates(subjects: readonly Subject[], writers: number, seconds: number): Promise<Figure[]> {
    const { connectionString } = this.#options
    const at = writers === 1 ? '1 writer' : `${writers} writers`
    return await this.#takeTurns('transactions/s', at, subjects, () =>
      updateRate({ connectionString, writers, seconds, rows: UPDATED_ROWS }),
    )
  }

  async bulkInsert(subjects: readonly Subject[], rows: number): Promise<Figure[]> {
    return await this.#takeTurns('us/row', `INSERT of ${rows.toLocaleString('en-US')} rows`, subjects, () =>
      this.#perRow(rows, fill(rows)),
    )
  }

  async bulkUpdate(subjects: readonly Subject[]): Promise<Figure[]> {
    const at = `UPDATE of ${UPDATED_ROWS.toLocaleString('en-US')} rows`
    return await this.#takeTurns('us/row', at, subjects, () =>
      this.#perRow(UPDATED_ROWS, 'update bench set age = age + 1'),
    )
  }

  /** Subjects take turns in each round, so that all meet the same noise. */
  async #takeTurns(unit: string, at: string, subjects: readonly Subject[], measure: () => Promise<number>) {
    const samples: Record<string, number[]> = Object.fromEntries(subjects.map(({ name }) => [name, []]))
    for (let round = 0; round < this.#options.rounds; round++) {
      for (const subject of subjects) samples[subject.name]?.push(await this.#measure(subject, measure))
    }
    return figuresOf(unit, at, samples)
  }

  async #measure(subject: Subject, measure: () => Promise<number>) {
    await reset(this.#db)
    await this.#db.query(`truncate bench restart identity; ${fill(UPDATED_ROWS)}`)
    await this.#db.query('vacuum analyze bench')
    await subject.setUp(this.#db)
    await this.#db.query('checkpoint')
    const stop = await subject.start?.(this.#options.connectionString)
    try {
      return await measure()
    } finally {
      await stop?.()
    }
  }

  async #perRow(rows: number, statement: string) {
    const began = performance.now()
    await this.#db.query(statement)
    return ((performance.now() - began) * 1_000) / rows
  }
}
