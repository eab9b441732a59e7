import { resolve } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../embedded-postgres/embedded-postgres.ts'
import { newPassword } from '../embedded-postgres/password.ts'
import type { Logger } from '../logger.ts'
import type { DemoDatabase } from './demo-database.ts'
import { prepareSqlRole, SQL_ROLE } from './sql-role.ts'
import { withClient } from './with-client.ts'

const DATABASE = 'demo'
const SCHEMA = 'public'

/** An embedded Postgres with its data in a temporary or in a persistent folder. */
export async function embeddedDatabase(options: {
  dataDir: string | undefined
  logger: Logger
}): Promise<DemoDatabase> {
  const { dataDir, logger } = options
  const server = await startEmbeddedPostgres({ ...(dataDir !== undefined && { dataDir }), logger })
  try {
    await createDatabase(server)
  } catch (error) {
    await server.stop()
    throw error
  }
  const connectionString = urlOf(server)
  const password = newPassword()
  const data = dataDir === undefined ? 'a temporary folder; keep it with --data <folder>' : resolve(dataDir)
  return {
    kind: 'embedded',
    connectionString,
    schema: SCHEMA,
    feedSchema: 'changefeed',
    description: `embedded Postgres ${server.version}, data in ${data}`,
    async openSqlBox() {
      await withClient(connectionString, client =>
        prepareSqlRole(client, { database: DATABASE, schema: SCHEMA, password }),
      )
      return urlOf(server, { name: SQL_ROLE, password })
    },
    close: () => server.stop(),
  }
}

const createDatabase = (server: EmbeddedPostgres) =>
  withClient(server.connectionString, async client => {
    const { rows } = await client.query('select 1 from pg_catalog.pg_database where datname = $1', [DATABASE])
    if (rows.length === 0) await client.query(`create database ${DATABASE}`)
  })

/** The URL of the demo's database, for the superuser or for another role. */
function urlOf(server: EmbeddedPostgres, role?: { readonly name: string; readonly password: string }): string {
  const url = new URL(server.connectionString)
  url.pathname = `/${DATABASE}`
  if (role) Object.assign(url, { username: role.name, password: role.password })
  return url.href
}
