import { statfs } from 'node:fs/promises'
import pg from 'pg'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { testSettings } from './test-settings.ts'

/** An embedded server with what the tests need. Its data is in memory where there is room, as databases are made by the hundred. */
export async function startTestServer(
  settings: Readonly<Record<string, string>> = {},
  folder?: string,
): Promise<EmbeddedPostgres> {
  const tempDir = folder ?? (await memoryFolder())
  const server = await startEmbeddedPostgres({
    settings: { ...QUICK, ...testSettings, ...settings },
    ...(tempDir && { tempDir }),
  })
  await easePassword(server)
  return server
}

/** A password is hashed 4096 times at each connection, and the tests make thousands of them. */
async function easePassword({ connectionString }: EmbeddedPostgres) {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query('set scram_iterations = 1')
  await client.query(`alter role current_user password ${pg.escapeLiteral(new URL(connectionString).password)}`)
  await client.end()
}

/** They change what the server's own work costs, and nothing that a session can see. */
const QUICK = {
  max_wal_size: '256MB', // in memory as well
  wal_init_zero: 'off',
}

const MEMORY = '/dev/shm'
const ROOM = 2 ** 31

/** Linux has one; a container's may be small. */
async function memoryFolder(): Promise<string | undefined> {
  const free = await statfs(MEMORY).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  )
  return free >= ROOM ? MEMORY : undefined
}
