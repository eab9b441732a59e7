import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { serverAccount } from '../../src/embedded-postgres/account.ts'
import { eventually } from './eventually.ts'
import { scratchFolder } from './folder.ts'
import { need } from './need.ts'
import { accepts, freePort } from './port.ts'
import { afterScope } from './scope.ts'

export type PoolMode = 'session' | 'transaction' | 'statement'

/** A PgBouncer in front of the database of a connection string. Ended with the test. */
export async function startPgBouncer(
  connectionString: string,
  mode: PoolMode,
): Promise<{ readonly connectionString: string }> {
  const { path, env } = need('pgbouncer')
  const url = new URL(connectionString)
  const port = await freePort()
  const file = join(await scratchFolder(), 'pgbouncer.ini')
  await writeFile(file, configuration(url, port, mode))
  const { name, ids } = await serverAccount()
  const asOther = ids ? ['--user', name] : [] // it refuses to run as root
  const pooler = spawn(path, ['--quiet', ...asOther, file], { stdio: 'ignore', env: { ...process.env, ...env } })
  afterScope(async () => {
    if (pooler.exitCode !== null) return
    const ended = once(pooler, 'exit')
    pooler.kill('SIGKILL')
    await ended
  })
  await eventually(() => accepts(port))
  return { connectionString: `postgres://anyone@127.0.0.1:${port}${url.pathname}` }
}

/** Whoever connects is the user of the connection string. */
const configuration = (url: URL, port: number, mode: PoolMode) => `[databases]
* = host=${url.hostname} port=${url.port} user=${decodeURIComponent(url.username)} password=${decodeURIComponent(url.password)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
`
