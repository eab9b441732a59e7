import pg from 'pg'
import { eventually } from '../../helpers/eventually.ts'
import { type Random, randomOf } from '../../helpers/random.ts'
import type { Trace } from './trace.ts'
import { nextTransaction } from './writes.ts'

const SETTINGS = `set lock_timeout = '2s'; set statement_timeout = '10s'; set application_name = 'oracle writer'`
const UNDEFINED_OBJECT = '42704'

/** Runs one random transaction after another on a connection of its own, until stopped. */
export class Writer {
  readonly #connectionString: string
  readonly #label: string
  readonly #random: Random
  readonly #trace: Trace
  #client: pg.Client | undefined
  #going = true
  #running: Promise<void> = Promise.resolve()
  committed = 0

  constructor(connectionString: string, seed: number, number: number, trace: Trace) {
    this.#connectionString = connectionString
    this.#label = `w${number}`
    this.#random = randomOf(seed * 1_000 + number)
    this.#trace = trace
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#going = false
    await this.#running
    await this.#client?.end().catch(() => {})
  }

  async #run() {
    for (let n = 1; this.#going; n++) {
      const label = `${this.#label}.${n}`
      const error = await this.#attempt(nextTransaction(this.#random, label))
      if (!error) this.committed++
      this.#trace.add(label, error ? `failed: ${error}` : 'done')
    }
  }

  /** The message of the error, if there was one. */
  async #attempt(statements: string[]): Promise<string | undefined> {
    for (const [index, statement] of statements.entries()) {
      try {
        await this.#query(statement)
      } catch (error) {
        if (this.#client) await this.#query('rollback').catch(() => {})
        if (statements[index - 1]?.startsWith('prepare')) await this.#finish(statement)
        else if (statement.startsWith('prepare')) await this.#finish(statements[index + 1] ?? '')
        return `${statement}: ${(error as Error).message}`
      }
    }
    await this.#query(`select pg_sleep(${this.#random.below(20) / 1_000})`).catch(() => {})
    return undefined
  }

  /** A prepared transaction keeps its locks, so it has to end even if the server was restarted meanwhile. */
  async #finish(statement: string) {
    const finish = () =>
      this.#query(statement).catch(error => {
        if ((error as pg.DatabaseError).code !== UNDEFINED_OBJECT) throw error
      })
    await eventually(finish, { withinMs: 60_000, everyMs: 100 })
  }

  async #query(statement: string) {
    this.#client ??= await eventually(() => this.#connect(), { withinMs: 60_000, everyMs: 100 })
    const client = this.#client
    try {
      await client.query(statement)
    } catch (error) {
      if ((error as pg.DatabaseError).severity !== 'ERROR' && this.#client === client) this.#client = undefined
      throw error
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#connectionString })
    client.on('error', () => {})
    await client.connect()
    await client.query(SETTINGS)
    return client
  }
}
