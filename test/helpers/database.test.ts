import { beforeAll, expect, inject, test } from 'vitest'
import { ownServer, type TestDatabase, testDatabase } from './database.ts'
import { eventually } from './eventually.ts'

let ofFile: TestDatabase
let ofTest: TestDatabase
let roleOfTest: string
beforeAll(async () => {
  ofFile = await testDatabase()
})

test('a database of a test is dropped with it, prepared transactions, sessions and roles included', async () => {
  ofTest = await testDatabase()
  const { name, connectionString } = await ofTest.role()
  roleOfTest = name
  const client = await ofTest.connect({ connectionString })
  await ofTest.query('create table t (id int)')
  await ofTest.query('begin')
  await ofTest.query('insert into t values (1)')
  await ofTest.query("prepare transaction 'left over'")
  expect((await client.query('select current_user')).rows).toEqual([{ current_user: name }])
})

test('and is gone in the next test, while one of the file stays', async () => {
  const databases = await ofFile.query<{ datname: string }>('select datname from pg_database')
  expect(databases).toContainEqual({ datname: ofFile.name })
  expect(databases).not.toContainEqual({ datname: ofTest.name })
  expect(await ofFile.query('select from pg_roles where rolname = $1', [roleOfTest])).toEqual([])
})

test('a shared client comes back after its backend is terminated', async () => {
  const other = await ofFile.connect()
  const [{ pid } = { pid: 0 }] = await ofFile.query<{ pid: number }>('select pg_backend_pid() as pid')
  await other.query('select pg_terminate_backend($1, 5000)', [pid])
  const rows = await eventually(() => ofFile.query<{ pid: number }>('select pg_backend_pid() as pid'))
  expect(rows[0]?.pid).not.toBe(pid)
})

test('an own server has its own settings and survives a crash', async () => {
  const server = await ownServer({ max_connections: '17' })
  const database = await testDatabase({ server })
  expect(server.connectionString).not.toBe(inject('serverUrl'))
  await database.query('create table t as select 1 as id')
  await server.restart('immediate')
  const client = await database.connect()
  expect((await client.query("select id, current_setting('max_connections') as max from t")).rows).toEqual([
    { id: 1, max: '17' },
  ])
})
