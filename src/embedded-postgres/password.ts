import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Account } from './account.ts'
import type { Cluster } from './cluster.ts'
import { embeddedError } from './error.ts'

/**
 * The superuser's password for one run, kept only in memory, as every start sets a new one. Without a password, any
 * user of the machine could connect and run programs as the server's account.
 */
export const newPassword = () => randomBytes(24).toString('base64url')

/** Passes `password` in a file that only `account` can read, as initdb requires. */
export async function withPasswordFile<T>(
  password: string,
  account: Account,
  use: (file: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'changefeed-secret-')) // mode 0700
  try {
    const file = join(folder, 'password')
    await writeFile(file, password, { mode: 0o600 })
    const { ids } = account
    if (ids) await Promise.all([folder, file].map(path => chown(path, ids.uid, ids.gid)))
    return await use(file)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Sets the superuser's password in an existing data folder, and makes its server require passwords. Uses Postgres'
 * single-user mode, so that nobody can connect before it is done.
 */
export async function setPassword({ password, folder, binaries, account }: Cluster): Promise<void> {
  await writeFile(join(folder, 'pg_hba.conf'), REQUIRE_PASSWORDS)
  const settings = Object.entries(QUIET).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const postgres = spawn(binaries.postgres, ['--single', '-D', folder, ...settings, 'postgres'], {
    cwd: '/',
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    stdio: ['pipe', 'ignore', 'pipe'],
    ...account.ids,
  })
  postgres.stdin.on('error', () => {}) // the exit code is reported below
  postgres.stdin.end(`alter role postgres password '${password}'\n`)
  const [[code], lines] = await Promise.all([once(postgres, 'exit'), text(postgres.stderr)])
  if (code === 0 && !/\b(ERROR|FATAL|PANIC):/.test(lines)) return
  throw embeddedError(`The password of role postgres could not be set in ${folder}. Postgres said:\n${lines.trim()}`)
}

const REQUIRE_PASSWORDS = `# waterline-changefeed writes this file at every start.
host all         all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
`

/** Errors are reported without the statement, which contains the password. */
const QUIET = {
  password_encryption: 'scram-sha-256',
  log_statement: 'none',
  log_min_error_statement: 'panic',
  log_min_messages: 'error',
  logging_collector: 'off',
  log_destination: 'stderr',
}
