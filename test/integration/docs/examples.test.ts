import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Server } from 'socket.io'
import { connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { type Changefeed, createChangefeed } from '../../../src/changefeed.ts'
import { resolveSettings } from '../../../src/cli/settings.ts'
import { createRealtime } from '../../../src/realtime/realtime.ts'
import { testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { petShop } from '../feed/fixture.ts'
import { defaultExport, example, moduleFile, runAsync, runModule, runScript } from './examples.ts'
import { codeBlocks, pages, root } from './pages.ts'

test('each example has a name and a test', async () => {
  const blocks = (await pages()).flatMap(page => codeBlocks(page).map(block => ({ page: page.path, ...block })))
  const examples = blocks.filter(({ language }) => ['js', 'ts', 'sql'].includes(language))
  expect(examples.filter(({ name }) => name === undefined)).toEqual([])
  const names = examples.map(({ name }) => name)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  const tests = (await readdir(import.meta.dirname)).filter(name => name.endsWith('.test.ts'))
  const texts = await Promise.all(tests.map(name => readFile(join(import.meta.dirname, name), 'utf8')))
  const run = texts.flatMap(text => [...text.matchAll(/\bexample\('([\w-]+)'\)/g)].map(([, name]) => name))
  expect([...new Set(run)].sort()).toEqual([...names].sort())
})

const models = { ...petShop, todo: { attributes: { title: { type: 'string' } } } }

/** A Waterline app on a database of its own. */
async function waterlineApp() {
  const database = await testDatabase()
  const { connectionString } = database
  const { collections } = await startWaterline({ connectionString, models, migrate: 'drop' })
  return { database, connectionString, collections }
}

async function listening(server: HttpServer): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterScope(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Adds a line that hands over what has to be closed. */
const keeping = (code: string, names: string) => code.replace(/^await feed\.start\(\).*$/m, `$&\nkeep(${names})`)

/** Hands the listeners of an example to a socket, and records what they are called with. */
function recording(socket: { on(event: string, listener: (...args: unknown[]) => void): unknown }) {
  const heard: unknown[][] = []
  const on = (event: string, listener: (...args: unknown[]) => void) =>
    socket.on(event, (...args) => {
      listener(...args)
      heard.push([event, ...args])
    })
  return { heard, socket: { on } }
}

test('the feed of the README publishes to clients of sails.io.js what SQL writes', async () => {
  const { database, connectionString, collections } = await waterlineApp()
  const server = createServer()
  const realtime = createRealtime({ server, collections, models: { user: true } })
  const client = await connectSailsClient({ port: await listening(server) })
  let started: Changefeed | undefined
  const keep = (feed: Changefeed) => {
    started = feed
    afterScope(() => feed.stop())
  }
  const { io } = realtime
  await runModule(keeping(await example('library'), 'feed'), { connectionString, collections, io, keep })
  await database.query(`insert into "user" (id, name, password) values (1, 'ann', '')`)
  await started?.settled()

  const messages: unknown[] = []
  const code = await example('browser')
  const socket = {
    get: (url: string) => client.get(url),
    on: (event: string, listener: (message: unknown) => void) => client.socket.on(event, listener),
  }
  runScript(code, { io: { socket }, console: { log: (message: unknown) => messages.push(message) } })
  const { heard, socket: recorded } = recording(client.socket)
  runScript(await example('client'), { io: { socket: recorded } })
  await client.get('/user/1') // answered after the request of the example
  await database.query(/receives: (.*)$/m.exec(code)?.[1] ?? '')
  await client.messages.next('user', ({ data }) => data.verb === 'updated')
  expect(messages).toEqual([expect.objectContaining({ verb: 'updated', id: 1, data: { id: 1, name: 'Ada' } })])

  await database.query(`update "user" set name = 'eve'`)
  await client.messages.next('user', ({ data }) => data.data.name === 'eve')
  await database.query(await example('annotations'))
  await client.messages.next('user', ({ meta }) => meta.annotations === 'nightly import')
  const meta = { cursor: expect.any(String), at: expect.any(Number), annotations: 'nightly import' }
  expect(heard.at(-1)).toEqual(['user', expect.objectContaining({ data: { id: 1, name: 'Ada' } }), meta])
  await database.query('truncate "user"')
  await client.messages.next('changefeed', ({ data }) => data.identity === 'user')
  expect(heard).toContainEqual([
    'changefeed',
    { verb: 'refetch', identity: 'user', reason: 'truncate' },
    expect.anything(),
  ])
})

test('the library in a Waterline app: plan, install, start, status, stop', async () => {
  const { connectionString, collections } = await waterlineApp()
  const said: { state?: string; capture?: { steps: unknown[] } }[] = []
  const io = new Server(createServer())
  const log = (it: object) => said.push(it)
  await runModule(await example('waterline'), { connectionString, collections, io, console: { log } })
  expect(said[0]?.capture?.steps).toHaveLength(3)
  expect(said[1]?.state).toBe('running')
})

test('a plain socket.io client, subscribed by the server', async () => {
  const { database, connectionString, collections } = await waterlineApp()
  const server = createServer()
  const io = new Server(server)
  const feed = createChangefeed({ connectionString, collections, io })
  afterScope(() => feed.stop())
  await feed.install()
  await feed.start()
  runScript(await example('subscribe'), { io, feed })
  const client = connect(`http://127.0.0.1:${await listening(server)}`, { transports: ['websocket'] })
  afterScope(() => client.disconnect())
  const { heard, socket } = recording(client)
  runScript(await example('plain-client'), { socket })
  await eventually(() => expect([...io.of('/').adapter.rooms.keys()]).toContain('sails_model_user_2:user'))
  await database.query(`insert into todo (id, title) values (1, 'rest')`)
  await database.query('truncate todo')
  await eventually(() => expect(heard).toHaveLength(3))
  expect(heard[0]?.[1]).toMatchObject({ verb: 'created', id: 1, data: { title: 'rest' } })
  expect(heard[1]?.slice(0, 2)).toEqual(['changefeed', { verb: 'refetch', identity: 'todo', reason: 'truncate' }])
  expect(heard[2]?.slice(0, 2)).toEqual(['todo', { verb: 'destroyed', id: 1 }])
})

test('a publisher of the app', async () => {
  const { database, connectionString, collections } = await waterlineApp()
  const jobs: unknown[] = []
  const queue = { add: async (...job: unknown[]) => jobs.push(job) }
  const feeds: Changefeed[] = []
  const code = `${await example('publisher')}\nkeep(feed)`
  await runModule(code, { connectionString, collections, queue, keep: (feed: Changefeed) => feeds.push(feed) })
  const [feed] = feeds
  afterScope(() => feed?.stop())
  await feed?.install()
  await feed?.start()
  await database.query(`insert into todo (title) values ('rest')`)
  await feed?.settled()
  expect(jobs).toEqual([['created', { identity: 'todo', cursor: expect.any(String) }]])
})

test('a consumer keeps an index up to date', async () => {
  const { database, connectionString, collections } = await waterlineApp()
  const leader = createChangefeed({ connectionString, collections })
  afterScope(() => leader.stop())
  await leader.install()
  await leader.start()
  const index = new Map<string, unknown>()
  const search = {
    put: async (identity: string, id: number, record: unknown) => void index.set(`${identity} ${id}`, record),
    remove: async (identity: string, id: number) => void index.delete(`${identity} ${id}`),
  }
  await database.query(`insert into todo (title) values ('rest'), ('eat')`)
  const code = await example('consumer')
  const running = runModule(code, { connectionString, collections, search })
  await eventually(() => expect([...index.keys()]).toEqual(['todo 1', 'todo 2']))
  await database.query(`delete from todo where id = 1; update todo set title = 'sleep'`)
  await eventually(() => expect([...index]).toEqual([['todo 2', expect.objectContaining({ title: 'sleep' })]]))
  await database.query(`delete from changefeed.consumer where name = 'search-index'`)
  await database.query(`update todo set title = 'work'`)
  await expect(running).rejects.toMatchObject({ code: 'E_STATE' })
})

test('typed changes compile, and a name of no model does not', async () => {
  const declared = `
    import type { Server } from 'socket.io'
    interface UserRecord { id: number }
    interface PetRecord { owner: number }
    declare const [connectionString, collections, io]: [string, object, Server]
    declare function greet(user: UserRecord | undefined): void`
  const code = (await example('typed')).replace(/^import .*$/m, line => `${line}\n${declared}`)
  expect(await complaints(code)).toBe('')
  expect(await complaints(code.replace("=== 'user'", "=== 'dog'"))).toContain(`"dog"' have no overlap`)
})

async function complaints(code: string): Promise<string> {
  const file = fileURLToPath(await moduleFile('typed.mts', code))
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--types',
    'node',
  ]
  const compiler = join(root, 'node_modules/.bin/tsc')
  const failure = promisify(execFile)(compiler, [...options, file], { cwd: root }).then(
    () => '',
    ({ stdout }) => String(stdout),
  )
  return (await failure).replace(/'"user" \| "pet"' and '/, '')
}

test('realtime without Sails', async () => {
  const { database, connectionString, collections } = await waterlineApp()
  const probe = createServer()
  const port = await listening(probe)
  await new Promise(resolve => probe.close(resolve))
  const keep = (feed: Changefeed, server: HttpServer) =>
    afterScope(async () => {
      await feed.stop()
      server.closeAllConnections()
      server.close()
    })
  const code = keeping(await example('realtime'), 'feed, server')
  await runModule(code, { connectionString, collections, port, keep })
  const client = await connectSailsClient({ port })
  expect((await client.get('/user')).body).toEqual([])
  expect((await client.get('/say/hello')).statusCode).toBe(200)
  expect((await client.get('/archive')).statusCode).toBe(404)
  await database.query(`insert into "user" (id, name, password) values (1, 'ada', 'secret')`)
  const { data } = await client.messages.next('user')
  expect(data).toMatchObject({ verb: 'created', id: 1, data: { name: 'ada' } })
  expect(data.data).not.toHaveProperty('password')
})

test('realtime on a socket.io server of the app, and behind a proxy', async () => {
  const { collections } = await waterlineApp()
  const httpServer = createServer()
  runScript(await example('own-io'), { Server, httpServer, createRealtime, collections })
  const client = await connectSailsClient({ port: await listening(httpServer) })
  expect((await client.get('/user')).statusCode).toBe(200)

  const server = createServer()
  await runAsync(await example('hosts'), { createRealtime, server, collections })
  const port = await listening(server)
  const statusFor = (host: string) =>
    new Promise(resolve =>
      import('node:http').then(({ get }) =>
        get({ port, host: '127.0.0.1', path: '/js/dependencies/sails.io.js', headers: { host } }, answer => {
          answer.resume()
          resolve(answer.statusCode)
        }),
      ),
    )
  expect([await statusFor('api.example'), await statusFor('other.example')]).toEqual([200, 421])
})

test('the config file of a listener', async () => {
  const content = await defaultExport(await example('config-file'))
  const settings = resolveSettings(new Map(), { path: 'changefeed.config.mjs', folder: root, content })
  expect(settings).toMatchObject({ redisUrl: 'redis://127.0.0.1:6379', models: { user: { omit: ['name'] } } })
})

test('the rooms of a record that moves', async () => {
  const rooms = runScript(await example('rooms-moved'), {}, 'rooms') as (...args: object[]) => string[]
  expect(rooms({ board: 2 }, { previous: { board: 1 } })).toEqual(['board 2', 'board 1'])
  expect(rooms({ board: 2 }, {})).toEqual(['board 2'])
})
