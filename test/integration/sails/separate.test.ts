import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { testDatabase } from '../../helpers/database.ts'
import { writeExistingApp } from '../../helpers/existing-app.ts'
import { scratchFolder } from '../../helpers/folder.ts'
import { built, startProgram } from '../../helpers/program.ts'
import { startRedis } from '../../helpers/redis.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { liftApp, startApp, summary } from './fixture.ts'

const MAIN = fileURLToPath(built('cli/main.js'))
const APP = fileURLToPath(new URL('./app.cjs', import.meta.url))
const PACKAGE = fileURLToPath(new URL('../../..', import.meta.url))

function runIn(folder: string, args: readonly string[], env: Readonly<Record<string, string>>) {
  const command = ['-c', `cd '${folder}' && exec "$0" "$@"`, process.execPath, MAIN, ...args]
  return startProgram('/bin/sh', command, { CHANGEFEED_HTTP_PORT: 'off', ...env })
}

/** An app whose hook only tags, and what starts a listener that publishes to its sockets. */
async function startBeside() {
  const database = await testDatabase()
  const redis = (await startRedis()).url
  const changefeed = { listener: 'separate', blueprints: 'replace', install: true }
  const { port } = await startApp(database, { adapter: '@socket.io/redis-adapter', redis, changefeed })
  const folder = await scratchFolder()
  await writeFile(
    join(folder, 'changefeed.config.mjs'),
    `import { createRequire } from 'node:module'
     const { models } = createRequire(import.meta.url)(${JSON.stringify(APP)})
     export default { definitions: models, originTag: true, redisUrl: ${JSON.stringify(redis)} }`,
  )
  const startListener = async () => {
    const listener = runIn(folder, ['start'], { DATABASE_URL: database.connectionString })
    await listener.line(/The listener is ready.*"role":"leader"|"role":"leader".*The listener is ready/)
  }
  return { database, port, startListener }
}

test('with a separate listener the hook tags writes, and the listener publishes each once', async () => {
  const { database, port, startListener } = await startBeside()
  const [watcher, actor] = [await connectSailsClient({ port }), await connectSailsClient({ port })]
  for (const client of [watcher, actor]) await client.get('/pet')
  await database.query(`insert into pet (name) values ('before the listener')`)
  await actor.post('/pet', { name: 'by the app' })
  await startListener()
  await actor.patch('/pet/2', { name: 'max' })
  await database.query('delete from pet where id = 1')
  for (const client of [watcher, actor]) {
    await client.messages.next('pet', ({ data }) => data.verb === 'destroyed')
  }
  expect(summary(watcher)).toEqual(['pet created 1', 'pet created 2', 'pet updated 2', 'pet destroyed 1'])
  expect(summary(actor)).toEqual(['pet created 1', 'pet destroyed 1'])
  const nodes = await database.query('select role, sockets from changefeed.node')
  expect(nodes).toEqual([{ role: 'leader', sockets: null }])
})

test('with a separate listener a client that returns receives what it missed, from the change log', async () => {
  const { database, port, startListener } = await startBeside()
  await startListener()
  const [stays, leaves] = [await connectSailsClient({ port }), await connectSailsClient({ port })]
  await stays.get('/pet')
  const { headers } = await leaves.get('/pet')
  await leaves.disconnect()
  await database.query(`insert into pet (name) values ('rex'); update pet set name = 'tom'`)
  await stays.messages.next('pet', ({ data }) => data.verb === 'updated')
  await leaves.reconnect()
  await leaves.get('/pet')
  const { body } = await leaves.get('/changefeed/since', { cursor: headers['changefeed-cursor'] })
  expect(body).toMatchObject({ replayed: 2 })
  await leaves.messages.next('changefeed', ({ data }) => data.verb === 'caughtUp')
  expect(leaves.messages.of('pet').map(({ data }) => `${data.verb} ${data.id}`)).toEqual(['created 1', 'updated 1'])
})

test('with a separate listener the status is `separate` and settled() rejects', async () => {
  const { app } = await liftApp({ changefeed: { listener: 'separate' } })
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'separate', feeds: [{ state: 'stopped' }] })
  await expect(app.hooks.changefeed.settled()).rejects.toMatchObject({
    code: 'E_STATE',
    message: expect.stringContaining('listener'),
  })
})

test('a listener refuses to start while a hook publishes by itself', { timeout: 120_000 }, async () => {
  const database = await testDatabase()
  await database.query(`
    create table "user" (id serial primary key, email text, password text);
    create table event (id serial primary key, title text, host int);
    create table response (id serial primary key, text text);`)
  const { hostname, port, username, password, pathname } = new URL(database.connectionString)
  const folder = await writeExistingApp({
    DB_HOST: hostname,
    DB_PORT: port,
    DB_USER: username,
    DB_PASSWORD: password || 'unused',
    DB_NAME: pathname.slice(1),
  })
  await symlink(PACKAGE, join(folder, 'node_modules/waterline-changefeed'))
  const run = (...args: string[]) => runIn(folder, args, { DATABASE_URL: '', NODE_ENV: 'development' })
  const refused = run('start', '--adapter', 'postgres')
  expect((await refused.ended).code).toBe(2)
  expect(refused.lines.join('\n')).toMatch(/set `listener: 'separate'` in config\/changefeed\.js/)
  await writeFile(
    join(folder, 'config/changefeed.js'),
    `module.exports.changefeed = { listener: 'separate', schema: 'Odd "Sch' }`,
  )
  const missing = run('start', '--adapter', 'postgres', '--app', '.')
  expect((await missing.ended).code).not.toBe(0)
  expect(missing.lines.join('\n')).toContain(`run: npx waterline-changefeed install --app .`)
  expect((await run('install').ended).code).toBe(0)
  const listener = run('start', '--adapter', 'postgres')
  await listener.line(/The listener is ready/)
  expect(listener.lines.find(line => line.includes('The listener starts'))).toMatch(
    /"environment":"development","database":"database test_\w+ on [\w.]+:\d+","schema":/,
  )
})
