import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, test } from 'vitest'
import { serverAccount } from '../../../src/embedded-postgres/account.ts'
import { embeddedBinaries, nativeFolder } from '../../../src/embedded-postgres/binaries.ts'
import {
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../../src/embedded-postgres/embedded-postgres.ts'
import { silentLogger } from '../../../src/logger.ts'
import { eventually } from '../../helpers/eventually.ts'
import { scratchFolder } from '../../helpers/folder.ts'
import { built, startCode } from '../../helpers/program.ts'
import { afterScope } from '../../helpers/scope.ts'

async function start(options?: EmbeddedPostgresOptions) {
  const server = await startEmbeddedPostgres(options)
  afterScope(() => server.stop('immediate'))
  return server
}

async function query(connectionString: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

const settingsOf = (connectionString: string, ...names: string[]) =>
  query(connectionString, `select ${names.map(name => `current_setting('${name}') as ${name}`).join(', ')}`)

function isAlive(pid: number) {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const missing = { code: 'ENOENT' }

test('a temporary server is reachable on 127.0.0.1 only, and leaves no process, port or folder', async () => {
  const server = await start({ settings: { max_connections: '33' } })
  const { connectionString, port, pid = 0 } = server
  expect(connectionString).toMatch(/^postgres:\/\/postgres:[-\w]{32}@127\.0\.0\.1:\d+\/postgres$/)
  expect(new URL(connectionString).port).toBe(String(port))
  const [settings] = await settingsOf(
    connectionString,
    'data_directory',
    'listen_addresses',
    'fsync',
    'max_connections',
  )
  expect(settings).toMatchObject({ listen_addresses: '127.0.0.1', fsync: 'off', max_connections: '33' })
  const folder = String(settings?.data_directory)
  expect((await stat(folder)).mode & 0o777).toBe(0o700)

  await server.stop()
  expect(server.pid).toBeUndefined()
  expect(isAlive(pid)).toBe(false)
  await expect(stat(folder)).rejects.toMatchObject(missing)
  await expect(query(connectionString, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

/** The connection string without its password, or with another one. */
function withPassword(connectionString: string, password: string) {
  const url = new URL(connectionString)
  url.password = password
  return url.href
}

test('a connection without the password is refused, over TCP and for replication too', async () => {
  const { connectionString } = await start()
  for (const password of ['', 'postgres']) {
    const url = withPassword(connectionString, password)
    await expect(query(url, 'select 1')).rejects.toThrow(/password/)
    await expect(query(`${url}?replication=database`, 'IDENTIFY_SYSTEM')).rejects.toThrow(/password/)
  }
  expect(
    await query(connectionString, 'select rolpassword ~ $$^SCRAM$$ as scram from pg_authid where oid = 10'),
  ).toEqual([{ scram: true }])
})

test('data kept from a version without passwords requires a new one from each start on', async () => {
  const dataDir = join(await scratchFolder(), 'data')
  const first = await start({ dataDir })
  await query(first.connectionString, 'alter role postgres password null; create table kept as select 1 as id')
  await first.stop()
  await writeFile(join(dataDir, 'pg_hba.conf'), 'host all all 127.0.0.1/32 trust') // as earlier versions made it

  const lines: string[] = []
  const log = (message: string, fields?: object) => void lines.push(message + JSON.stringify(fields))
  const second = await start({ dataDir, logger: { debug: log, info: log, warn: log, error: log } })
  const { port } = second
  const earlier = new URL(first.connectionString)
  earlier.port = String(port)
  for (const url of [withPassword(second.connectionString, ''), earlier.href]) {
    await expect(query(url, 'select 1')).rejects.toThrow(/password/)
  }
  expect(await query(second.connectionString, 'select id from kept')).toEqual([{ id: 1 }])
  await second.stop()
  const { password } = new URL(second.connectionString)
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.join()).not.toContain(password)
  const holds = (name: string) => readFile(join(dataDir, name), 'utf8').then(text => text.includes(password))
  expect(await Promise.all(['pg_hba.conf', 'postmaster.opts', 'postgresql.auto.conf'].map(holds))).not.toContain(true)
})

test('a failed statement is logged without its values', async () => {
  const lines: string[] = []
  const debug = (_message: string, fields?: object) => void lines.push(JSON.stringify(fields))
  const server = await start({ logger: { ...silentLogger, debug } })
  await query(server.connectionString, 'create table people (name text primary key)')
  const insert = () => query(server.connectionString, "insert into people values ('hush')")
  await insert()
  await expect(insert()).rejects.toMatchObject({ code: '23505' })
  await server.stop()
  expect(lines.join()).toContain('duplicate key value')
  expect(lines.join()).not.toContain('hush')
})

test.runIf(process.geteuid?.() === 0)('the server does not run as root when root starts it', async () => {
  const { uid } = await stat(`/proc/${(await start()).pid}`)
  expect(uid).toBe((await serverAccount()).ids?.uid)
  expect(uid).not.toBe(0)
})

test('kept data survives a stop, a crash and a restart, with fsync on', async () => {
  const dataDir = join(await scratchFolder(), 'deep', 'data')
  const first = await start({ dataDir })
  await query(first.connectionString, 'create table kept as select 1 as id')
  await first.stop()

  const second = await start({ dataDir })
  expect(await settingsOf(second.connectionString, 'fsync')).toEqual([{ fsync: 'on' }])
  await query(second.connectionString, 'insert into kept values (2)')
  const { port } = second
  await second.restart('immediate')
  expect(second.port).toBe(port)
  process.kill(second.pid ?? 0, 'SIGKILL')
  await second.restart()
  expect(await query(second.connectionString, 'select id from kept')).toEqual([{ id: 1 }, { id: 2 }])
  await second.stop()
  expect(await readdir(join(dataDir, '..'))).toEqual(['data'])
})

test('a data folder of another major version, a foreign folder and one in use are refused and unchanged', async () => {
  const dataDir = join(await scratchFolder(), 'data')
  const server = await start({ dataDir })
  const inUse = {
    code: 'E_EMBEDDED',
    message: expect.stringMatching(`in use .* pid ${server.pid} on port ${server.port}`),
  }
  await expect(start({ dataDir })).rejects.toMatchObject(inUse)
  expect(await query(server.connectionString, 'select 1 as one')).toEqual([{ one: 1 }])
  await server.stop()

  await writeFile(join(dataDir, 'PG_VERSION'), '12\n')
  const other = { code: 'E_EMBEDDED', message: expect.stringContaining('made by Postgres 12, and the embedded one is') }
  await expect(start({ dataDir })).rejects.toMatchObject(other)

  const foreign = await scratchFolder()
  await writeFile(join(foreign, 'letter.txt'), 'dear')
  const notOurs = { code: 'E_EMBEDDED', message: expect.stringContaining('not a Postgres data folder') }
  await expect(start({ dataDir: foreign })).rejects.toMatchObject(notOurs)
  expect(await readdir(foreign)).toEqual(['letter.txt'])
})

test('a port in use is refused, and no server keeps running', async () => {
  const listener = createServer()
  afterScope(() => listener.close())
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const dataDir = join(await scratchFolder(), 'data')
  const taken = { code: 'E_EMBEDDED', message: expect.stringContaining(`Port ${port} of 127.0.0.1 is in use`) }
  await expect(start({ port, dataDir })).rejects.toMatchObject(taken)
  await expect(stat(join(dataDir, 'postmaster.pid'))).rejects.toMatchObject(missing)
})

test.runIf(process.geteuid?.() === 0)(
  'an inaccessible data folder is refused, naming the blocking parent',
  async () => {
    const closed = join(await scratchFolder(), 'closed')
    await mkdir(closed, { mode: 0o700 })
    const blocked = { code: 'E_EMBEDDED', message: expect.stringContaining(`cannot access ${closed}`) }
    await expect(start({ dataDir: join(closed, 'data') })).rejects.toMatchObject(blocked)
    expect(await readdir(closed)).toEqual([])
  },
)

test('the error for an invalid setting includes the message of Postgres', async () => {
  const wrong = {
    code: 'E_EMBEDDED',
    message: expect.stringContaining('unrecognized configuration parameter "no_such"'),
  }
  await expect(start({ settings: { no_such: '1' } })).rejects.toMatchObject(wrong)
})

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'no server and no temporary folder remain after %s of the parent process',
  async signal => {
    const program = startCode(`
    import { startEmbeddedPostgres } from ${JSON.stringify(built('embedded-postgres/embedded-postgres.js'))}
    const server = await startEmbeddedPostgres()
    console.log(JSON.stringify({ pid: server.pid, url: server.connectionString }))
    setInterval(() => {}, 1000)
  `)
    const { pid, url } = JSON.parse(await program.line(/^\{/))
    const [settings] = await settingsOf(url, 'data_directory')
    program.kill(signal)
    await program.ended
    await eventually(() => expect(isAlive(pid)).toBe(false), { withinMs: 10_000 })
    await eventually(() => expect(stat(String(settings?.data_directory))).rejects.toMatchObject(missing))
    await expect(query(url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  },
)

test('a process that does not stop its server can exit, and its kept data is usable at once', async () => {
  const dataDir = join(await scratchFolder(), 'data')
  const program = startCode(`
    import { startEmbeddedPostgres } from ${JSON.stringify(built('embedded-postgres/embedded-postgres.js'))}
    await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)} })
    console.log('started')
  `)
  await program.line(/started/)
  expect(await program.ended).toEqual({ code: 0, signal: null })
  const again = await eventually(() => start({ dataDir }), { withinMs: 10_000 })
  expect(await query(again.connectionString, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('binaries without symlinks in a private folder run from a copy that is repaired when files are missing', async () => {
  const account = await serverAccount()
  const native = await unhydrated(await scratchFolder())
  const { postgres, version, major } = await embeddedBinaries(account, native)
  expect(postgres.startsWith(tmpdir())).toBe(true)
  afterScope(() => rm(join(postgres, '..', '..'), { recursive: true }))
  expect(version.split('.')[0]).toBe(major)
  const zones = join(postgres, '..', '..', 'share', 'postgresql', 'timezonesets', 'Default')
  const content = await readFile(zones, 'utf8')
  await rm(zones) // as a cleanup of the temporary folder would
  await embeddedBinaries(account, native)
  expect(await readFile(zones, 'utf8')).toBe(content)
})

test('the error for a platform without binaries names the alternative', () => {
  const error = { code: 'E_EMBEDDED', message: expect.stringMatching(/sunos-sparc is not installed.*DATABASE_URL/s) }
  expect(() => nativeFolder('sunos', 'sparc')).toThrow(expect.objectContaining(error))
})

/** The package as npm leaves it without install scripts, in a folder that only its owner can enter. */
async function unhydrated(folder: string): Promise<string> {
  const native = join(folder, 'closed', 'native')
  await mkdir(join(folder, 'closed'), { mode: 0o700 })
  await cp(nativeFolder(), native, { recursive: true, verbatimSymlinks: true })
  await writeFile(join(folder, 'closed', 'package.json'), '{"version":"0.0.0-test"}')
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as { target: string }[]
  await Promise.all(links.map(({ target }) => rm(join(native, '..', target), { force: true })))
  return native
}
