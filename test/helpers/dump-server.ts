import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { serverAccount } from '../../src/embedded-postgres/account.ts'
import { eventually } from './eventually.ts'
import { need } from './need.ts'
import { afterScope } from './scope.ts'

const run = promisify(execFile)

export interface DumpServer {
  readonly connectionString: string
  /** Runs a client program of the server's version, such as pg_dump; throws with its output when it fails. */
  run(program: string, ...args: string[]): Promise<string>
}

/** A server of its own that comes with pg_dump: the embedded one has no client programs, and pg_dump reads no newer server. */
export async function startDumpServer(): Promise<DumpServer> {
  const folder = dirname(need('pgDump').path)
  const { ids } = await serverAccount()
  const data = await mkdtemp(join(tmpdir(), 'changefeed-dump-'))
  if (ids) await chown(data, ids.uid, ids.gid)
  afterScope(() => rm(data, { recursive: true, force: true }))
  const identity = { ...ids, cwd: data }
  await run(join(folder, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'], identity)
  const port = await freePort()
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
  const server = spawn(join(folder, 'postgres'), ['-D', data, ...settings.flatMap(setting => ['-c', setting])], {
    ...identity,
    stdio: 'ignore',
  })
  afterScope(async () => {
    server.kill('SIGQUIT')
    if (server.exitCode === null) await once(server, 'exit')
  })
  const connectionString = `postgres://postgres@127.0.0.1:${port}/postgres`
  await eventually(() => connects(connectionString), { withinMs: 30_000, everyMs: 100 })
  return {
    connectionString,
    async run(program, ...args) {
      const { stdout } = await run(join(folder, program), args, { cwd: data, maxBuffer: 2 ** 26 })
      return stdout
    },
  }
}

async function connects(connectionString: string) {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.end()
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
