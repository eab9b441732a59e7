import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { expect, test } from 'vitest'
import { testDatabase } from '../../helpers/database.ts'
import { eventOf, eventually } from '../../helpers/eventually.ts'
import { scratchFolder } from '../../helpers/folder.ts'
import { built, startProgram } from '../../helpers/program.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { ask, pageHeaders, pageSettings, portOf } from './demo-server.ts'

/** Starts the demo as `npm start` does. */
function runDemo(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const main = fileURLToPath(built('cli/main.js'))
  return startProgram(process.execPath, [main, 'demo', '--port', '0', ...args], { DATABASE_URL: '', ...env })
}

type Program = ReturnType<typeof runDemo>

const urlOf = async (program: Program) => ({ url: /http:\S+/.exec(await program.line(/Page/))?.[0] ?? '' })
const connectionStringOf = async (program: Program) => /postgres:\S+/.exec(await program.line(/psql/))?.[0] ?? ''

async function query(connectionString: string, sql: string) {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const answer = client.query<Record<string, string>>(sql)
  return await answer.then(({ rows }) => rows).finally(() => client.end())
}

const isClosed = async (demo: { url: string }) =>
  await expect(ask(demo, { path: '/' })).rejects.toMatchObject({ code: 'ECONNREFUSED' })

test('prints its addresses, and leaves nothing behind after Ctrl-C', async () => {
  const program = runDemo()
  const demo = await urlOf(program)
  const connectionString = await connectionStringOf(program)
  expect(program.lines.join('\n')).toMatch(/Captured.*users, pets, courses.*\n.*Never sent.*passwordHash/)
  const client = await connectSailsClient({ port: portOf(demo) })
  await client.get('/user')
  await query(connectionString, `insert into users (name) values ('from psql')`)
  expect(await client.messages.next('user')).toMatchObject({ data: { verb: 'created', data: { name: 'from psql' } } })
  const [{ folder = '' } = {}] = await query(connectionString, `select current_setting('data_directory') as folder`)
  expect(existsSync(folder)).toBe(true)

  program.kill('SIGINT')
  expect(await program.ended).toEqual({ code: 0, signal: null })
  expect(program.lines.at(-1)).toBe('Stopped. Nothing is left running.')
  await isClosed(demo)
  await expect(query(connectionString, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  expect(existsSync(folder)).toBe(false)
})

test('stops its Postgres when it is killed', async () => {
  const program = runDemo()
  const connectionString = await connectionStringOf(program)
  const [{ folder = '' } = {}] = await query(connectionString, `select current_setting('data_directory') as folder`)
  program.kill('SIGKILL')
  await eventually(() => expect(existsSync(folder)).toBe(false), { withinMs: 10_000 })
  await expect(query(connectionString, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('keeps its data in the given folder, and does not seed twice', async () => {
  const dataDir = `${await scratchFolder()}/data`
  const run = async (sql: string) => {
    const program = runDemo(['--data', dataDir])
    const rows = await query(await connectionStringOf(program), sql)
    program.kill('SIGTERM')
    expect(await program.ended).toMatchObject({ code: 0 })
    return rows
  }
  await run(`insert into users (name) values ('kept')`)
  expect(await run('select name from users order by id')).toEqual(
    ['Ada', 'Grace', 'Emmy', 'Alan', 'kept'].map(name => ({ name })),
  )
})

test('a port in use is reported, and nothing is started', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  afterScope(() => other.close())
  await eventOf(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' ? address?.port : 0
  const program = runDemo(['--port', String(port)])
  expect(await program.ended).toMatchObject({ code: 2 })
  expect(program.lines.join('\n')).toMatch(new RegExp(`Port ${port} of 127.0.0.1 is in use.*--port`))
})

test('an invalid port is rejected', async () => {
  const program = runDemo(['--port=65536'])
  expect(await program.ended).toMatchObject({ code: 2 })
  expect(program.lines.join('\n')).toContain('It must be a port, 0 to 65535.')
})

test('with DATABASE_URL it uses its own schemas, runs no SQL for the page, and drops the schemas', async () => {
  const database = await testDatabase()
  await database.query('create table users (id int); create schema changefeed; create table changefeed.change (id int)')
  const schemas = () => database.query('select nspname from pg_namespace order by nspname')
  const before = await schemas()
  const program = runDemo([], { DATABASE_URL: database.connectionString })
  const demo = await urlOf(program)
  await program.line(/Database .*the server of DATABASE_URL, schemas changefeed_demo and changefeed_demo_feed/)
  expect(await pageSettings(demo)).toMatchObject({ sql: false, database: 'Your own server, schema changefeed_demo' })
  const refused = await ask(demo, {
    path: '/sql',
    method: 'POST',
    headers: await pageHeaders(demo),
    body: '{"sql":"select 1"}',
  })
  expect(refused).toMatchObject({ status: 403 })

  const client = await connectSailsClient({ port: portOf(demo) })
  expect((await client.get('/course', { populate: 'false' })).body).toHaveLength(3)
  expect((await client.get('/course_students__user_courses', { populate: 'false' })).body).toHaveLength(5)
  await database.query(`update changefeed_demo.courses set title = 'Compilers II' where id = 2`)
  expect(await client.messages.next('course')).toMatchObject({ data: { id: 2, data: { title: 'Compilers II' } } })

  const second = runDemo([], { DATABASE_URL: database.connectionString })
  expect(await second.ended).toMatchObject({ code: 1 })
  expect(second.lines.join('\n')).toContain('A demo is already running on this database')

  program.kill('SIGINT')
  expect(await program.ended).toMatchObject({ code: 0 })
  expect(await schemas()).toEqual(before)
  expect(await database.query('select * from users, changefeed.change')).toEqual([])
})

test('an existing schema with the same name is not changed', async () => {
  const database = await testDatabase()
  await database.query('create schema changefeed_demo; create table changefeed_demo.mine (id int)')
  const program = runDemo([], { DATABASE_URL: database.connectionString })
  expect(await program.ended).toMatchObject({ code: 1 })
  expect(program.lines.join('\n')).toContain('a schema changefeed_demo that was not created by the demo')
  expect(await database.query('select * from changefeed_demo.mine')).toEqual([])
})
