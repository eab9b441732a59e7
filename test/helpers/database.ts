import { createHash, randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import type { EmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { afterScope } from './scope.ts'
import { startTestServer } from './test-server.ts'

export interface TestDatabase {
  /** Superuser's. */
  readonly connectionString: string
  readonly name: string
  /** Runs one statement on a client that all calls share. */
  query<Row extends pg.QueryResultRow = Record<string, unknown>>(sql: string, params?: unknown[]): Promise<Row[]>
  /** A connection of its own, closed with the database; its errors after a killed backend are swallowed. */
  connect(config?: pg.ClientConfig): Promise<pg.Client>
  /** A role that may log in to this database, and no more; dropped with it. */
  role(options?: { superuser?: boolean }): Promise<TestRole>
  /** Ends every session and drops the database. Called by itself at the end of the test or file. */
  drop(): Promise<void>
}

export interface TestRole {
  readonly name: string
  readonly connectionString: string
}

export interface TestDatabaseOptions {
  /** Another server than the shared one: `ownServer()`. */
  readonly server?: { readonly connectionString: string }
  /** Name of a database to copy. @default template0 */
  readonly template?: string
  /** As `create database` takes it: `encoding 'WIN1252' locale 'C'`. */
  readonly encoding?: string
}

/**
 * A database of its own on the server of the run. It is dropped when the test ends (called inside a test) or when the
 * file ends (called in a hook or at the top), whether it passed or not.
 */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const serverUrl = options.server?.connectionString ?? inject('serverUrl')
  const name = uniqueName('test')
  await onServer(serverUrl, client =>
    createDatabase(client, name, { template: options.template ?? 'template0', encoding: options.encoding }),
  )
  const database = new Database(serverUrl, name)
  afterScope(() => (options.server ? database.close() : database.drop())) // the test may have killed its own server
  return database
}

/** A server for one test: to be restarted, killed or given settings. Stopped at the end of the test or file. */
export async function ownServer(settings: Record<string, string> = {}, tempDir?: string): Promise<EmbeddedPostgres> {
  const server = await startTestServer(settings, tempDir)
  afterScope(() => server.stop('immediate'))
  return server
}

/**
 * A copy of a database that `prepare` fills, once for all test files. `prepare` must end its connections, and may not
 * start a feed: a copy would take what that one left for another database's.
 */
export async function copiedDatabase(name: string, prepare: (connectionString: string) => Promise<void>) {
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 12)
  const template = `${inject('templatePrefix')}_${digest}`
  made[template] ??= makeTemplate(template, prepare)
  await made[template]
  return await testDatabase({ template })
}

const made: Record<string, Promise<void>> = {}

async function makeTemplate(template: string, prepare: (connectionString: string) => Promise<void>) {
  const serverUrl = inject('serverUrl')
  const name = pg.escapeIdentifier(template)
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    await client.query('select pg_advisory_lock(hashtext($1))', [template]) // another file may be making it
    const { rows } = await client.query('select datistemplate from pg_database where datname = $1', [template])
    if (rows[0]?.datistemplate) return
    await client.query(`drop database if exists ${name} with (force)`)
    await createDatabase(client, template, { template: 'template0' })
    await prepare(urlOf(serverUrl, template))
    await client.query(`alter database ${name} is_template true`)
  } finally {
    await client.end()
  }
}

class Database implements TestDatabase {
  readonly name: string
  readonly connectionString: string
  readonly #serverUrl: string
  readonly #clients: pg.Client[] = []
  readonly #roles: string[] = []
  #shared: Promise<pg.Client> | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #dropped = false

  constructor(serverUrl: string, name: string) {
    this.#serverUrl = serverUrl
    this.name = name
    this.connectionString = urlOf(serverUrl, name)
  }

  async query<Row extends pg.QueryResultRow>(sql: string, params?: unknown[]): Promise<Row[]> {
    const run = this.#turn.then(async () => {
      const client = await this.#client()
      return (await client.query<Row>(sql, params)).rows
    })
    this.#turn = run.catch(() => {})
    return await run
  }

  async connect(config: pg.ClientConfig = {}): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.connectionString, ...config })
    client.on('error', () => {}) // tests kill backends on purpose
    await client.connect()
    this.#clients.push(client)
    return client
  }

  async role({ superuser = false } = {}): Promise<TestRole> {
    const name = uniqueName('role')
    await this.query(`create role ${pg.escapeIdentifier(name)} login ${superuser ? 'superuser' : ''}`)
    this.#roles.push(name)
    await this.query(`alter role ${pg.escapeIdentifier(name)} password ${pg.escapeLiteral(name)}`)
    return { name, connectionString: urlOf(this.connectionString, this.name, name) }
  }

  async close() {
    await Promise.allSettled(this.#clients.splice(0).map(client => client.end()))
  }

  async drop() {
    if (this.#dropped) return
    this.#dropped = true
    await this.#rollBackPrepared()
    await this.close()
    await onServer(this.#serverUrl, client => this.#dropOn(client))
  }

  async #dropOn(client: pg.Client) {
    await client.query(`drop database ${pg.escapeIdentifier(this.name)} with (force)`)
    for (const role of this.#roles) await client.query(`drop role ${pg.escapeIdentifier(role)}`)
  }

  /** A prepared transaction would keep its database for ever, and can only be ended from inside it. */
  async #rollBackPrepared() {
    const open = await this.query<{ gid: string }>(
      'select gid from pg_catalog.pg_prepared_xacts where database = current_database()',
    )
    for (const { gid } of open) await this.query(`rollback prepared ${pg.escapeLiteral(gid)}`)
  }

  /** The shared client, made again after its backend was killed or it could not connect. */
  async #client(): Promise<pg.Client> {
    const forget = () => (this.#shared = undefined)
    this.#shared ??= this.connect().then(client => client.on('end', forget))
    this.#shared.catch(forget)
    return await this.#shared
  }
}

/** By copying files, which takes a third of what writing it all to the log does. Before version 15 there is no other way. */
async function createDatabase(
  client: pg.Client,
  name: string,
  from: { template: string; encoding?: string | undefined },
) {
  const { rows } = await client.query<{ old: boolean }>(
    `select current_setting('server_version_num')::int < 150000 as old`,
  )
  const strategy = rows[0]?.old ? '' : 'strategy file_copy'
  const template = pg.escapeIdentifier(from.template)
  await client.query(
    `create database ${pg.escapeIdentifier(name)} template ${template} ${strategy} ${from.encoding ?? ''}`,
  )
}

async function onServer(connectionString: string, run: (client: pg.Client) => Promise<unknown>) {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    await run(client)
  } finally {
    await client.end()
  }
}

const uniqueName = (prefix: string) => `${prefix}_${randomBytes(6).toString('hex')}`

function urlOf(base: string, database: string, role?: string): string {
  const url = new URL(base)
  url.pathname = `/${database}`
  if (role) url.username = url.password = role
  return url.href
}
