import { beforeAll, describe, expect, test } from 'vitest'
import { SQL_ROLE } from '../../../src/demo/sql-role.ts'
import { SqlRunner } from '../../../src/demo/sql-runner.ts'
import type { Demo } from '../../../src/demo/start-demo.ts'
import { eventually } from '../../helpers/eventually.ts'
import { connectSailsClient, type SailsClient } from '../../helpers/sails-client.ts'
import { ask, pageHeaders, portOf, runSql, startTestDemo } from '../../integration/demo/demo-server.ts'

let demo: Demo
let client: SailsClient

beforeAll(async () => {
  demo = await startTestDemo()
  client = await connectSailsClient({ port: portOf(demo) })
  for (const identity of ['user', 'pet', 'course', 'account']) {
    expect(await client.get(`/${identity}`)).toMatchObject({ statusCode: 200 })
  }
})

const sql = (text: string) => runSql(demo, text)

describe('what is committed arrives at an unchanged sails.io.js', () => {
  test('an insert, with its cursor and time', async () => {
    const answer = await sql(`insert into pets (name, kind, owner_id) values ('Nala', 'cat', 1) returning id, name`)
    expect(answer.statements).toEqual([
      { command: 'INSERT', rowCount: 1, columns: ['id', 'name'], rows: [[expect.any(String), 'Nala']] },
    ])
    const id = Number(answer.statements[0].rows[0][0])
    const { data, meta } = await client.messages.next('pet', ({ data }) => data.id === id)
    expect(data).toEqual({ verb: 'created', data: { id, name: 'Nala', kind: 'cat', owner: 1 }, id })
    expect(meta).toEqual({ cursor: expect.any(String), at: expect.any(Number) })
  })

  test('a link between both ends of a many-to-many', async () => {
    await sql('insert into course_students__user_courses (course_students, user_courses) values (3, 1)')
    const isAdded = ({ data }: { data: { verb: string } }) => data.verb === 'addedTo'
    const { data: course } = await client.messages.next('course', isAdded)
    expect(course).toEqual({ verb: 'addedTo', id: 3, attribute: 'students', addedId: 1 })
    const { data: user } = await client.messages.next('user', each => each.data.attribute === 'courses')
    expect(user).toEqual({ verb: 'addedTo', id: 1, attribute: 'courses', addedId: 3 })
  })

  test('a transaction whole, and one that is rolled back not at all', async () => {
    await sql('begin; delete from courses; rollback')
    const answer = await sql(`begin;
      insert into users (name) values ('Barbara');
      insert into pets (name, owner_id) values ('Clu', currval('users_id_seq'));
      commit`)
    expect(answer.statements.map(({ command }: { command: string }) => command)).toEqual([
      ...['BEGIN', 'INSERT', 'INSERT', 'COMMIT'],
    ])
    await client.messages.next('pet', ({ data }) => data.data?.name === 'Clu')
    expect(client.messages.of('user').map(({ data }) => data.data?.name)).toContain('Barbara')
    expect(client.messages.of('course').filter(({ data }) => data.verb === 'destroyed')).toEqual([])
  })

  test('but no secret', async () => {
    await sql(`update accounts set balance = 7, pin = 'PIN-SECRET', password_hash = 'HASH-SECRET' where id = 1`)
    const { data } = await client.messages.next('account')
    expect(data).toMatchObject({ verb: 'updated', data: { id: 1, balance: '7.00' } })
    const shown = JSON.stringify([client.messages.all, (await client.get('/account')).body])
    expect(shown).toContain('7.00')
    expect(shown).not.toMatch(/SECRET|1843|pin|passwordHash|cardNumber|4000 0000|YWVzLTI1Ni1nY20/)
  })

  test('a truncation', async () => {
    await sql('truncate pets')
    const { data } = await client.messages.next('changefeed', each => each.data.identity === 'pet')
    expect(data).toEqual({ verb: 'refetch', identity: 'pet', reason: 'truncate' })
    expect((await client.get('/pet')).body).toEqual([])
  })
})

describe('the role of the page can touch the tables of the demo and nothing else', () => {
  test.each([
    ['select * from changefeed.change', /permission denied for schema changefeed/],
    ['delete from changefeed.consumer', /permission denied for schema changefeed/],
    ['create table mine (id int)', /permission denied for schema public/],
    ['create temporary table mine (id int)', /permission denied to create temporary tables/],
    ['create schema mine', /permission denied for database/],
    ['create role mine', /permission denied to create role/],
    ['create database mine', /permission denied to create database/],
    ['create extension file_fdw', /permission denied to create extension/],
    ['alter table users add column mine int', /must be owner/],
    ['drop table users', /must be owner/],
    ['alter table users disable trigger all', /must be owner/],
    [`copy (select 1) to program 'id'`, /permission denied to COPY to or from an external program/],
    [`copy users to '/tmp/users'`, /permission denied to COPY to a file/],
    [`copy users from '/etc/passwd'`, /permission denied to COPY from a file/],
    ['copy users from stdin', /COPY from stdin failed/],
    [`select pg_catalog.pg_read_file('PG_VERSION')`, /permission denied for function/],
    [`select pg_ls_dir('.')`, /permission denied for function/],
    [`select lo_import('/etc/passwd')`, /permission denied for function/],
    ['select lo_create(0)', /permission denied for function/],
    ['select pg_advisory_lock(1)', /permission denied for function/],
    ['select pg_try_advisory_xact_lock_shared(1, 2)', /permission denied for function/],
    [
      'select pg_terminate_backend(pid) from pg_stat_activity where usename = $$postgres$$',
      /permission denied|SUPERUSER/,
    ],
    ['set role postgres', /permission denied to set role/],
    ['set session authorization postgres', /permission denied to set session authorization/],
    ['grant postgres to current_user', /permission denied to grant role/],
    ['alter role current_user superuser', /permission denied to alter role/],
    ['alter system set fsync = off', /permission denied/],
    ['set session_replication_role = replica', /permission denied to set parameter/],
    ['set temp_file_limit = -1', /permission denied to set parameter/],
    ['select * from pg_authid', /permission denied for table pg_authid/],
    [`load '/tmp/mine.so'`, /access to library "\/tmp\/mine.so" is not allowed/],
    ['do $$ begin execute $e$ set role postgres $e$; end $$', /permission denied to set role/],
  ])('%s', async (text, complaint) => {
    const answer = await sql(text)
    expect(answer.error?.message).toMatch(complaint)
    expect(answer.statements).toEqual([])
  })

  test('there is no role to reset to', async () => {
    const answer = await sql('reset role; reset session authorization; select current_user, session_user')
    expect(answer.statements.at(-1).rows).toEqual([[SQL_ROLE, SQL_ROLE]])
  })

  test('a changed password locks nobody out of the page', async () => {
    expect((await sql(`alter role ${SQL_ROLE} password 'mine'`)).error).toBeUndefined()
    expect((await sql('select 1')).statements).toMatchObject([{ rows: [['1']] }])
  })

  test('nothing stays of a session: settings, and a transaction that was left open', async () => {
    const answer = await sql(`set search_path = pg_catalog; begin; insert into public.users (name) values ('Nobody')`)
    expect(answer.notes).toEqual(['The open transaction was rolled back.'])
    const { statements } = await sql(`show search_path; select count(*) from users where name = 'Nobody'`)
    expect(statements.map(({ rows }: { rows: string[][] }) => rows)).toEqual([[['public']], [['0']]])
  })
})

describe('what the page is told', () => {
  test('an error as text, with the place in the SQL', async () => {
    const { error } = await sql('select *\nfrom userz')
    expect(error).toEqual({ message: 'relation "userz" does not exist', position: 15 })
  })

  test('of a result the first rows, of a long value the beginning', async () => {
    const [{ rows, rowCount, columns }] = (await sql(`select n, repeat('x', 1000) from generate_series(1, 500) n`))
      .statements
    expect({ rows: rows.length, rowCount, columns }).toEqual({ rows: 50, rowCount: 500, columns: ['n', 'repeat'] })
    expect(rows[0][1]).toBe(`${'x'.repeat(300)}…`)
  })

  test('that a result is too large', async () => {
    const { error } = await sql(`select repeat('x', 100000000)`)
    expect(error.message).toMatch(/larger than 2 MB/)
  })

  test('that it took too long, even where the SQL has lifted its own limit; the session is ended', async () => {
    const restoreRole = async () => (await demo.database.openSqlBox?.()) ?? ''
    const runner = new SqlRunner({
      connectionString: await restoreRole(),
      adminConnectionString: demo.connectionString,
      restoreRole,
      runMs: 500,
    })
    const { error } = await runner.run('set statement_timeout = 0; select pg_sleep(600)')
    expect(error).toEqual({ message: 'Terminated after 0.5 seconds.' })
    await eventually(async () => {
      const { statements } = await sql(`select pid from pg_stat_activity where query like 'set statement_timeout%'`)
      expect(statements[0].rows).toEqual([])
    })
  })

  test('that a few runs at once are enough', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => sql('select pg_sleep(0.5)')))
    const complaints = answers.flatMap(({ error }) => error?.message ?? [])
    expect(complaints).toEqual(Array(2).fill('4 runs are in progress. Wait until one ends.'))
  })
})

describe('no other page may run SQL', () => {
  const post = async (change: Record<string, string>) => {
    const headers = { ...(await pageHeaders(demo)), ...change }
    const kept = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''))
    return await ask(demo, { path: '/sql', method: 'POST', headers: kept, body: JSON.stringify({ sql: 'select 1' }) })
  }

  test('the page itself may', async () => {
    expect((await post({})).status).toBe(200)
    const host = `localhost:${portOf(demo)}`
    expect((await post({ host, origin: `http://${host}` })).status).toBe(200)
  })

  test.each([
    ['another origin', { origin: 'http://evil.example' }, 403],
    ['the same host on another port', { origin: 'http://127.0.0.1:1' }, 403],
    ['our other name', () => ({ origin: `http://localhost:${portOf(demo)}` }), 403],
    ['https', () => ({ origin: demo.url.replace('http', 'https') }), 403],
    ['a sandboxed frame', { origin: 'null' }, 403],
    ['no origin', { origin: '' }, 403],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 403],
    ['a plain text post, which needs no preflight', { 'content-type': 'text/plain' }, 403],
    ['no token', { 'x-demo-token': '' }, 403],
    ['an old token', { 'x-demo-token': 'A'.repeat(32) }, 403],
    ['a name made to point here', { host: 'evil.example', origin: 'http://evil.example' }, 421],
    ['another port of ours', { host: '127.0.0.1:80' }, 421],
  ])('%s', async (_name, change, status) => {
    const answer = await post(typeof change === 'function' ? change() : change)
    expect(answer.status).toBe(status)
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  })

  test('nor read the page and its token under another name, nor connect a socket', async () => {
    const port = portOf(demo)
    const paths = ['/', '/user', '/js/dependencies/sails.io.js', '/socket.io/?EIO=4&transport=polling']
    for (const path of paths) {
      expect(await ask(demo, { path, headers: { host: `evil.example:${port}` } })).toMatchObject({ status: 421 })
    }
    const upgrade = (headers: Record<string, string>) =>
      ask(demo, {
        path: '/socket.io/?EIO=4&transport=websocket&__sails_io_sdk_version=1.2.1',
        headers: {
          ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
          ...{ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers },
        },
      })
    expect(await upgrade({ origin: demo.url })).toMatchObject({ status: 101 })
    expect(await upgrade({ origin: 'http://evil.example' })).toMatchObject({ status: 400 })
    const rebound = { host: `evil.example:${port}`, origin: `http://evil.example:${port}` }
    expect(await upgrade(rebound)).toMatchObject({ status: 400 })
  })

  test('nor put the page into a frame', async () => {
    const { headers } = await ask(demo, { path: '/' })
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(headers['x-frame-options']).toBe('DENY')
  })

  test('and what is no SQL is refused in words', async () => {
    const headers = await pageHeaders(demo)
    const send = (body: string) => ask(demo, { path: '/sql', method: 'POST', headers, body })
    expect(await send('{')).toMatchObject({ status: 400 })
    expect(await send('{"sql": 1}')).toMatchObject({ status: 400 })
    expect(await send(JSON.stringify({ sql: ' '.repeat(70_000) }))).toMatchObject({ status: 413 })
    expect(await ask(demo, { path: '/page/..%2fdemo.js' })).toMatchObject({ status: 404 })
  })
})
