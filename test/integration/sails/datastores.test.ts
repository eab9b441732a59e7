import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connectClient } from '../../../src/db/connect.ts'
import { ownServer, testDatabase } from '../../helpers/database.ts'
import { scratchFolder } from '../../helpers/folder.ts'
import { liftApp, summary } from './fixture.ts'

/** Datastore settings that sails-postgresql accepts. */
const PASSWORD = "p@ss w&rd=+é!$'"

/** Requires a password for all roles except the superuser of the tests. */
async function serverWithPasswords() {
  const folder = await scratchFolder()
  const file = join(folder, 'pg_hba.conf')
  await writeFile(file, 'host all postgres all trust\nhost all all all scram-sha-256\nlocal all all trust\n', {
    mode: 0o644,
  })
  return await ownServer({ hba_file: file })
}

test('a datastore with separate settings and a password that a URL would have to escape', async () => {
  const server = await serverWithPasswords()
  const database = await testDatabase({ server })
  const literal = `'${PASSWORD.replaceAll("'", "''")}'`
  await database.query(`create role app login superuser password ${literal}`)
  const { hostname, port } = new URL(server.connectionString)
  const datastore = { host: hostname, port: Number(port), user: 'app', password: PASSWORD, database: database.name }
  const { app, connect, settled } = await liftApp({ config: { datastore } }, database)
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'running' })
  const client = await connect()
  await client.get('/pet')
  await database.query(`insert into pet (name) values ('rex')`)
  await settled(client)
  expect(summary(client)).toEqual(['pet created 1'])
})

test('the feed connects with the `ssl` settings of the datastore', async () => {
  const { hostname, port, username, password } = new URL((await testDatabase()).connectionString)
  const parts = { host: hostname, port: Number(port), user: username, ...(password && { password }) }
  const connecting = connectClient({ ...parts, ssl: { rejectUnauthorized: false }, applicationName: 'test' }, () => {})
  await expect(connecting).rejects.toThrow(/does not support SSL/)
})

test('a datastore may connect by Unix socket', async () => {
  const folder = await scratchFolder()
  await chmod(folder, 0o777) // the server may run as another user
  const server = await ownServer({ unix_socket_directories: folder, unix_socket_permissions: '0777' })
  const { port, username, password } = new URL(server.connectionString)
  const parts = { host: folder, port: Number(port), user: username, password, database: 'postgres' }
  const client = await connectClient({ ...parts, applicationName: 'test' }, () => {})
  const { rows } = await client.query('select pg_catalog.inet_client_addr() as address')
  expect(rows).toEqual([{ address: null }])
  await client.end()
})
