import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ownServer, testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { scratchFolder } from '../../helpers/folder.ts'
import { built, startProgram } from '../../helpers/program.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { openInstalledShop, openShop } from '../feed/fixture.ts'

const WATERLINE = fileURLToPath(new URL('../../helpers/waterline-program.mjs', import.meta.url))

/** A command line in a folder with a config file. */
async function desk(connectionString: string, config: string) {
  const folder = await scratchFolder()
  await writeFile(join(folder, 'changefeed.config.mjs'), config)
  const main = fileURLToPath(built('cli/main.js'))
  const command = ['-c', `cd '${folder}' && exec "$0" "$@"`, process.execPath, main]
  return {
    run: (...args: string[]) => startProgram('/bin/sh', [...command, ...args], { DATABASE_URL: connectionString }),
  }
}

/** A listener that serves sockets itself, with the models of the config file. */
async function server(connectionString: string, settings: object = {}) {
  const { run } = await desk(
    connectionString,
    `import { startPetShop } from ${JSON.stringify(WATERLINE)}
     export default {
       collections: () => startPetShop(process.env.DATABASE_URL),
       serve: { models: { pet: true } },
       ...${JSON.stringify(settings)},
     }`,
  )
  return { run, program: run('start', '--serve', '--port', '0', '--http-port', '0') }
}

const TOKEN = 'a token of some length'
const portIn = (line: string) => Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1])

test('several listeners serve sockets, and each publishes to its own sockets once', async () => {
  const shop = await openInstalledShop()
  const servers = await Promise.all([1, 2].map(() => server(shop.database.connectionString)))
  const ports = await Promise.all(servers.map(async ({ program }) => portIn(await program.line(/listener is ready/))))
  const clients = await Promise.all(ports.map(port => connectSailsClient({ port })))
  for (const client of clients) expect((await client.get('/pet')).statusCode).toBe(200)
  await shop.database.query(`insert into pet (id, name) values (1, 'rex'); update pet set name = 'ben'`)
  for (const client of clients) {
    await client.messages.count('pet', 2)
    expect(client.messages.of('pet').map(({ data }) => data.verb)).toEqual(['created', 'updated'])
  }
  const status = servers[0]?.run('status', '--json')
  await status?.ended
  expect(JSON.parse(status?.lines.join('') ?? '')).toMatchObject({ nodes: [{}, {}] })
})

test('a replay over HTTP reaches the sockets of the listener', async () => {
  const shop = await openInstalledShop()
  const { program } = await server(shop.database.connectionString, { token: TOKEN })
  const url = `http://127.0.0.1:${portIn(await program.line(/Status page/))}`
  const client = await connectSailsClient({ port: portIn(await program.line(/listener is ready/)) })
  await client.get('/pet')
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await client.messages.next('pet')
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const replay = await fetch(`${url}/operations/replay`, { method: 'POST', headers, body: '{"since":"1h"}' })
  expect([replay.status, await replay.json()]).toEqual([202, { total: 1 }])
  const again = await client.messages.next('pet')
  expect([again.data.verb, again.data.id, again.meta.replayed]).toEqual(['created', 1, true])
  await program.line(/Started a replay over HTTP/)
  await eventually(async () =>
    expect(await (await fetch(`${url}/status.json`, { headers })).json()).toMatchObject({
      database: { sockets: 1 },
      operations: { by: expect.stringMatching(/its own sockets/), replay: { state: 'done', done: 1 } },
    }),
  )
})

test('a listener that serves sockets answers without what the feed omits', async () => {
  const shop = await openInstalledShop()
  await shop.database.query(`insert into "user" (id, name, password) values (1, 'ann', 's3cret')`)
  const models = { user: { omit: ['password'] } }
  const { program } = await server(shop.database.connectionString, {
    models,
    serve: { models: { user: { write: true } } },
  })
  const client = await connectSailsClient({ port: portIn(await program.line(/listener is ready/)) })
  expect((await client.get('/user')).body).toEqual([{ id: 1, name: 'ann' }])
  expect((await client.get('/user', { where: { password: { startsWith: 's3' } } })).statusCode).toBe(400)
  expect((await client.patch('/user/1', { password: 'mine' })).statusCode).toBe(400)
})

test('a listener stops with a remedy when its installation is removed', async () => {
  const shop = await openInstalledShop()
  const { program } = await server(shop.database.connectionString)
  await program.line(/listener is ready/)
  await shop.feed().uninstall()
  expect((await program.ended).code).toBe(4)
  expect(program.lines.join()).toMatch(/error .*npx waterline-changefeed install/)
})

test('the first signal stops gracefully', async () => {
  const shop = await openInstalledShop()
  const { program } = await server(shop.database.connectionString)
  await program.line(/listener is ready/)
  program.kill('SIGTERM')
  expect(await program.ended).toEqual({ code: 0, signal: null })
  expect(program.lines.join('\n')).toMatch(/The listener has stopped/)
  expect(await shop.database.query('select from changefeed.node')).toEqual([])
})

test('a second signal ends the process at once', async () => {
  const shop = await openInstalledShop()
  const definitions = `{ pet: { attributes: { name: { type: 'string' } } }, user: { attributes: {} } }`
  const { run } = await desk(shop.database.connectionString, `export default { definitions: ${definitions} }`)
  const program = run('start', '--http-port', 'off', '--redis-url', 'redis://127.0.0.1:1')
  await program.line(/listener is ready/)
  program.kill('SIGTERM')
  await program.line(/Stopping after/) // then waits a second for Redis, which does not respond
  program.kill('SIGTERM')
  expect((await program.ended).code).toBe(1)
})

test('waits for an unavailable database, alive but not ready', async () => {
  const definitions = `{ pet: { attributes: { name: { type: 'string' } } } }`
  const { run } = await desk('postgres://127.0.0.1:1/app', `export default { definitions: ${definitions} }`)
  const program = run('start', '--http-port', '0', '--redis-url', 'redis://127.0.0.1:1')
  const port = portIn(await program.line(/Status page/))
  await program.line(/The database is unavailable/)
  const answers = await Promise.all(['healthz', 'readyz'].map(path => fetch(`http://127.0.0.1:${port}/${path}`)))
  expect(answers.map(({ status }) => status)).toEqual([200, 503])
  program.kill('SIGINT')
  expect((await program.ended).code).toBe(0)
})

test('an app whose models need the database waits for it too', async () => {
  const { program } = await server('postgres://127.0.0.1:1/app')
  await program.line(/The database is unavailable/)
  program.kill('SIGTERM')
  expect((await program.ended).code).toBe(0)
})

test('reconnects to a database that crashed', async () => {
  const postgres = await ownServer({ fsync: 'on' })
  const shop = await openShop(await testDatabase({ server: postgres }))
  await shop.feed().install()
  const { program } = await server(shop.database.connectionString)
  const client = await connectSailsClient({ port: portIn(await program.line(/listener is ready/)) })
  await client.get('/pet')
  await postgres.restart('immediate')
  await program.line(/lost the database/)
  const writer = await shop.database.connect()
  await writer.query(`insert into pet (id, name) values (1, 'rex')`)
  await client.messages.next('pet', ({ data }) => data.id === 1, 20_000)
})

test('exits with an error if the feed is not installed', async () => {
  const shop = await openShop()
  const { program } = await server(shop.database.connectionString)
  expect((await program.ended).code).toBe(4)
  expect(program.lines.join('\n')).toMatch(/npx waterline-changefeed install/)
})
