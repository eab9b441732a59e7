import { execFile } from 'node:child_process'
import { chown, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { serverAccount } from '../../src/embedded-postgres/account.ts'
import { embeddedBinaries } from '../../src/embedded-postgres/binaries.ts'
import type { EmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { GuardedProcess } from '../../src/embedded-postgres/guard.ts'
import { eventually } from '../helpers/eventually.ts'
import { freePort } from '../helpers/port.ts'
import { testSettings } from '../helpers/test-settings.ts'

const PATIENCE = { withinMs: 60_000, everyMs: 100 }
const FAST = [
  { signal: 'SIGINT', waitMs: 10_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
] as const

/** A server that follows another one by streaming replication, and can take its place. */
export class Standby {
  readonly #primary: EmbeddedPostgres
  readonly #folders: { readonly primary: string; readonly standby: string }
  readonly #url: string
  readonly #process: GuardedProcess

  private constructor(
    primary: EmbeddedPostgres,
    folders: { primary: string; standby: string },
    url: string,
    running: GuardedProcess,
  ) {
    this.#primary = primary
    this.#folders = folders
    this.#url = url
    this.#process = running
  }

  /** Makes it from a base backup, while the primary goes on, and waits until it streams. */
  static async of(primary: EmbeddedPostgres): Promise<Standby> {
    const client = await connect(primary.connectionString)
    try {
      const folder =
        (await client.query<{ data_directory: string }>('show data_directory')).rows[0]?.data_directory ?? ''
      const folders = { primary: folder, standby: `${folder}-standby` }
      await backUp(client, folders)
      const url = new URL(primary.connectionString)
      url.port = String(await freePort())
      const running = await start(folders.standby, primary, url.port)
      const standby = new Standby(primary, folders, url.href, running)
      await eventually(async () => {
        const { rows } = await client.query(`select from pg_stat_replication where state = 'streaming'`)
        if (rows.length === 0) throw new Error(`The standby does not stream:\n${running.lastOutput}`)
      }, PATIENCE)
      return standby
    } finally {
      await client.end()
    }
  }

  /** The primary crashes; the standby is promoted, and takes over its address. What it had not received is lost. */
  async takeOver(): Promise<void> {
    const { pid } = this.#primary
    if (pid !== undefined) process.kill(pid, 'SIGQUIT')
    await eventually(() => {
      if (this.#primary.pid !== undefined) throw new Error('The primary still runs.')
    }, PATIENCE)
    const client = await eventually(() => connect(this.#url), PATIENCE)
    await client.query('select pg_promote(true, 60)')
    await client.end()
    await this.#process.end(FAST)
    await rm(this.#folders.primary, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    await rename(this.#folders.standby, this.#folders.primary)
    await this.#primary.restart()
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** As pg_basebackup does it. The slot keeps the WAL that the standby needs. */
async function backUp(client: pg.Client, { primary, standby }: { primary: string; standby: string }) {
  const { ids } = await serverAccount()
  await client.query(`select pg_create_physical_replication_slot('standby', true)
    where not exists (select from pg_replication_slots where slot_name = 'standby')`)
  await client.query(`select pg_backup_start('standby', true)`)
  await promisify(execFile)('cp', ['-a', primary, standby]).catch(() => {}) // files of tables that were dropped meanwhile
  const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)')
  await rm(join(standby, 'postmaster.pid'), { force: true })
  for (const folder of ['pg_wal', 'pg_replslot']) {
    for (const entry of await readdir(join(standby, folder), { withFileTypes: true })) {
      if (entry.isFile() || folder === 'pg_replslot') await rm(join(standby, folder, entry.name), { recursive: true })
    }
  }
  for (const [name, text] of [
    ['backup_label', rows[0]?.labelfile ?? ''],
    ['standby.signal', ''],
  ] as const) {
    await writeFile(join(standby, name), text, { mode: 0o600 })
    if (ids) await chown(join(standby, name), ids.uid, ids.gid)
  }
}

async function start(folder: string, primary: EmbeddedPostgres, port: string): Promise<GuardedProcess> {
  const account = await serverAccount()
  const { postgres } = await embeddedBinaries(account)
  const { hostname, port: primaryPort, username, password } = new URL(primary.connectionString)
  const settings = {
    ...testSettings,
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'off',
    primary_conninfo: `host=${hostname} port=${primaryPort} user=${username} password=${password}`,
    primary_slot_name: 'standby',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return new GuardedProcess(postgres, ['-D', folder, ...flags], { account, removeAfter: folder })
}
