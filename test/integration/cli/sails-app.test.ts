import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../helpers/database.ts'
import { writeExistingApp } from '../../helpers/existing-app.ts'
import { built, startProgram } from '../../helpers/program.ts'
import { freePort } from '../sails/fixture.ts'

const TABLES = `
  create table "user" (id serial primary key, email text, password text);
  create table event (id serial primary key, title text, host int);
  create table response (id serial primary key, text text);`

async function deskInApp(env: Readonly<Record<string, string>> = {}) {
  const database = await testDatabase()
  await database.query(TABLES)
  const folder = await writeExistingApp(partsOf(database))
  const main = fileURLToPath(built('cli/main.js'))
  const clean = { DATABASE_URL: '', CHANGEFEED_HTTP_PORT: 'off', ...env }
  const start = (...args: string[]) =>
    startProgram('/bin/sh', ['-c', `cd '${folder}' && exec "$0" "$@"`, process.execPath, main, ...args], clean)
  return { database, folder, start }
}

function partsOf({ connectionString }: TestDatabase) {
  const { hostname, port, username, password, pathname } = new URL(connectionString)
  return {
    DB_HOST: hostname,
    DB_PORT: port,
    DB_USER: username,
    DB_PASSWORD: password || 'unused',
    DB_NAME: pathname.slice(1),
  }
}

test('an app is loaded as usual, without its controllers, bootstrap and server', {
  timeout: 120_000,
}, async () => {
  const { folder, start } = await deskInApp()
  expect((await start('install').ended).code).toBe(0)
  const plan = start('plan', '--json', '--models', 'user,event,response')
  expect(await plan.ended).toMatchObject({ code: 0 })
  const json = plan.lines.find(line => line.startsWith('{')) ?? ''
  expect(JSON.parse(json)).toMatchObject({ complete: true })
  for (const file of ['bootstrapped', 'controllers-loaded']) expect(existsSync(join(folder, file))).toBe(false)
})

test('a listener applies customToJSON of the app, and serves health checks despite a model called Response', {
  timeout: 120_000,
}, async () => {
  const port = await freePort()
  const { database, folder, start } = await deskInApp({ CHANGEFEED_HTTP_PORT: String(port) })
  expect((await start('install').ended).code).toBe(0)
  const listener = start('start', '--adapter', 'postgres')
  await listener.line(/The listener is ready/)
  const health = await fetch(`http://127.0.0.1:${port}/healthz`)
  expect(health.status).toBe(200)
  const page = await fetch(`http://127.0.0.1:${port}/`)
  expect([page.status, await page.text()]).toEqual([200, expect.stringMatching(/<html/)])
  const tail = start('tail', '--since', '1h')
  await tail.line(/a word of the app/)
  await database.query(`insert into "user" (email, password) values ('a@x.io', 's3cret')`)
  const { record } = JSON.parse(await tail.line(/created/))
  expect(record).toEqual({ id: 1, email: 'a@x.io', uploads: join(folder, 'uploads'), rc: 'yes' })
  listener.kill('SIGTERM')
  expect((await listener.ended).code).toBe(0)
})
