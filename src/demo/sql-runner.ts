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
  /** Of the role that runs the SQL. */
  readonly connectionString: string
  /** Of one that may end its sessions. */
  readonly adminConnectionString: string
  /** Sets the role's password again, as the SQL may have changed it. */
  readonly restoreRole: () => Promise<unknown>
  /** For all statements together, as the SQL may raise the limit of one. @default 10_000 */
  readonly runMs?: number
}

/**
 * Runs the SQL that is typed into the page, each time in a session of its own, so that nothing is left of it: no
 * setting, no open transaction. Keeps its time, the size of its results and the number of runs at once within limits.
 */
export class SqlRunner {
  readonly #options: SqlRunnerOptions
  readonly #running = new Set<Run>()

  constructor(options: SqlRunnerOptions) {
    this.#options = options
  }

  async run(sql: string): Promise<SqlAnswer> {
    if (this.#running.size >= SQL_RUNS) return refusal(`${SQL_RUNS} runs are under way: wait for one to end.`)
    const run = new Run(this.#options)
    this.#running.add(run)
    try {
      return await run.answer(sql)
    } finally {
      this.#running.delete(run)
    }
  }

  /** Ends what runs. */
  async close(): Promise<void> {
    await Promise.all([...this.#running].map(run => run.end('The demo ends.')))
  }
}

const refusal = (message: string): SqlAnswer => ({ statements: [], notes: [], error: { message }, durationMs: 0 })

class Run {
  readonly #options: SqlRunnerOptions
  readonly #startedAt = performance.now()
  readonly #notes: string[] = []
  #client: Client | undefined
  #pid: number | undefined
  /** Why we ended it, where we did. */
  #ended: string | undefined

  constructor(options: SqlRunnerOptions) {
    this.#options = options
  }

  async answer(sql: string): Promise<SqlAnswer> {
    const { runMs = RUN_MS } = this.#options
    const late = setTimeout(() => void this.end(`Ended after ${runMs / 1000} seconds.`), runMs)
    try {
      const client = await this.#connect()
      const results = await client.query({ text: sql, rowMode: 'array', types: { getTypeParser: () => asText } })
      if (client.getTransactionStatus() !== 'I') this.#note('The transaction was left open, so it was rolled back.')
      return this.#answer({ statements: statementAnswers(results) })
    } catch (error) {
      return this.#answer({ error: this.#ended === undefined ? sqlError(error) : { message: this.#ended } })
    } finally {
      clearTimeout(late)
      await this.#client?.end().catch(() => {})
    }
  }

  /** Lets go of the connection, and ends the backend too: it would notice no sooner than it has something to send. */
  async end(reason: string): Promise<void> {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#client?.connection.stream.destroy()
    await withClient(this.#options.adminConnectionString, admin =>
      admin.query('select pg_catalog.pg_terminate_backend($1)', [this.#pid]),
    ).catch(() => {}) // the server may be going down, and with it the backend
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
    await client.query('set search_path = public') // our own connections find nothing there, and people write `users`
    const { rows } = await client.query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid')
    this.#pid = rows[0]?.pid
    if (this.#ended !== undefined) throw new Error(this.#ended)
    return client
  }

  /** On the wire, before a value of a gigabyte is in our memory. */
  #limitSize({ connection }: Client) {
    let bytes = 0
    connection.stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MOST_BYTES) void this.end('The result is larger than 2 MB: ask for less of it, say with a limit.')
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

/** Settings of the session come with its start, so that they hold whatever the role has made its defaults. */
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
