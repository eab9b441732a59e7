import { type Client, connectClient } from '../db/connect.ts'
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts'
import { type SqlAnswer, sqlError, statementAnswers } from './sql-answer.ts'
import { SQL_RUNS } from './sql-role.ts'
import { withClient } from './with-client.ts'

const STATEMENT_MS = 5_000
const RUN_MS = 10_000
const MOST_BYTES = 2 * 1024 * 1024
const MOST_NOTES = 20

export interface SqlRunnerOptions {
  /** Connection string of the role that runs the SQL. */
  readonly connectionString: string
  /** Connection string of a role that may terminate its sessions. */
  readonly adminConnectionString: string
  /** Restores the role's password, which the SQL may have changed. */
  readonly restoreRole: () => Promise<unknown>
  /** Time limit for all statements together, because the SQL can raise `statement_timeout`. @default 10_000 */
  readonly runMs?: number
}

/**
 * Runs SQL of the page. Each run has its own session, so that no setting or open transaction remains. Limits the time, the
 * size of results and the number of concurrent runs.
 */
export class SqlRunner {
  readonly #options: SqlRunnerOptions
  readonly #running = new Set<Run>()

  constructor(options: SqlRunnerOptions) {
    this.#options = options
  }

  async run(sql: string): Promise<SqlAnswer> {
    if (this.#running.size >= SQL_RUNS) return refusal(`${SQL_RUNS} runs are in progress. Wait until one ends.`)
    const run = new Run(this.#options)
    this.#running.add(run)
    try {
      return await run.answer(sql)
    } finally {
      this.#running.delete(run)
    }
  }

  /** Terminates all runs. */
  async close(): Promise<void> {
    await Promise.all([...this.#running].map(run => run.end('The demo is shutting down.')))
  }
}

const refusal = (message: string): SqlAnswer => ({ statements: [], notes: [], error: { message }, durationMs: 0 })

class Run {
  readonly #options: SqlRunnerOptions
  readonly #startedAt = performance.now()
  readonly #notes: string[] = []
  #client: Client | undefined
  #pid: number | undefined
  /** The reason if we terminated the run. */
  #ended: string | undefined

  constructor(options: SqlRunnerOptions) {
    this.#options = options
  }

  async answer(sql: string): Promise<SqlAnswer> {
    const { runMs = RUN_MS } = this.#options
    const late = setTimeout(() => void this.end(`Terminated after ${runMs / 1000} seconds.`), runMs)
    try {
      const client = await this.#connect()
      const results = await client.query({ text: sql, rowMode: 'array', types: { getTypeParser: () => asText } })
      if (client.getTransactionStatus() !== 'I') this.#note('The open transaction was rolled back.')
      return this.#answer({ statements: statementAnswers(results) })
    } catch (error) {
      return this.#answer({ error: this.#ended === undefined ? sqlError(error) : { message: this.#ended } })
    } finally {
      clearTimeout(late)
      await this.#client?.end().catch(() => {})
    }
  }

  /** Closes the connection and terminates the backend, which would only notice the disconnect when it sends data. */
  async end(reason: string): Promise<void> {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#client?.connection.stream.destroy()
    await withClient(this.#options.adminConnectionString, admin =>
      admin.query('select pg_catalog.pg_terminate_backend($1)', [this.#pid]),
    ).catch(() => {}) // the server may be shutting down
  }

  async #open(): Promise<Client> {
    const connectionString = withSettings(this.#options.connectionString)
    return await connectClient({ connectionString, applicationName: 'waterline-changefeed page' }, () => {})
  }

  async #openRestored(error: Error): Promise<Client> {
    if (sqlstateOf(error.cause) !== SQLSTATE.invalidPassword) throw error
    await this.#options.restoreRole()
    return await this.#open()
  }

  async #connect(): Promise<Client> {
    const client = await this.#open().catch(error => this.#openRestored(error))
    this.#client = client
    client.on('notice', ({ message }) => this.#note(message ?? ''))
    this.#limitSize(client)
    await client.query('set search_path = public') // our connections have an empty search_path, but users write unqualified names
    const { rows } = await client.query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid')
    this.#pid = rows[0]?.pid
    if (this.#ended !== undefined) throw new Error(this.#ended)
    return client
  }

  /** Limits the received bytes, before large values are kept in memory. */
  #limitSize({ connection }: Client) {
    let bytes = 0
    connection.stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MOST_BYTES) void this.end('The result is larger than 2 MB. Use a LIMIT.')
    })
  }

  #note(text: string) {
    if (this.#notes.length < MOST_NOTES) this.#notes.push(text)
  }

  #answer(part: Partial<SqlAnswer>): SqlAnswer {
    return { statements: [], notes: this.#notes, ...part, durationMs: performance.now() - this.#startedAt }
  }
}

const asText = (value: string) => value

/** Sets session settings at connect time, so that they override defaults that the role has set for itself. */
function withSettings(connectionString: string): string {
  const settings = {
    statement_timeout: STATEMENT_MS,
    lock_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: RUN_MS,
    idle_session_timeout: RUN_MS,
  }
  const url = new URL(connectionString)
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  url.searchParams.set('options', options.join(' '))
  return url.href
}
