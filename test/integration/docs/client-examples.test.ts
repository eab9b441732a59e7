import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Server } from 'socket.io'
import { io as connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { createChangefeed } from '../../../src/changefeed.ts'
import { type Changes, changefeed } from '../../../src/client/client.ts'
import { createRealtime } from '../../../src/realtime/realtime.ts'
import { eventually } from '../../helpers/eventually.ts'
import { startProgram } from '../../helpers/program.ts'
import { openSailsSocket } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop } from '../feed/fixture.ts'
import { example, moduleFile, runModule, runScript } from './examples.ts'

const server = () => {
  const http = createServer()
  return { http, listening: () => new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve)) }
}
const portOf = (http: HttpServer) => (http.address() as AddressInfo).port

async function app() {
  const { collections, database } = await openInstalledShop()
  const { http, listening } = server()
  const io = new Server(http, { allowEIO3: true })
  const feed = createChangefeed({ connectionString: database.connectionString, collections, io })
  afterScope(() => feed.stop())
  createRealtime({ io, server: http, collections, feed, models: { user: true } })
  await listening()
  afterScope(() => io.close())
  await feed.start()
  return { database, port: portOf(http) }
}

test('the examples of the page on the client', async () => {
  const { database, port } = await app()
  await database.query(`insert into "user" (id, name, password) values (1, 'ann', '')`)
  const io = { socket: openSailsSocket({ port }) }
  await runModule(await example('client-import'), { io })
  const { changefeed: built } = io.socket as unknown as { changefeed: Changes }
  built.close()

  const rendered: string[] = []
  const content: Record<string, string> = {}
  const sessionStorage = {
    getItem: (key: string) => content[key] ?? null,
    setItem: (key: string, value: string) => {
      content[key] = value
    },
  }
  const page = { socket: openSailsSocket({ port }) }
  const storage = await example('client-storage')
  const changes = runScript(storage, { changefeed, io: page, sessionStorage }, 'changes') as Changes
  const render = (users: { name: string }[]) => rendered.push(users.map(({ name }) => name).join())
  const live = runScript(await example('client-live'), { changes, render }, 'users') as object[]
  const users = runScript(await example('client-get'), { changes, io: page }, 'users') as Map<number, { name: string }>
  const said: string[] = []
  const names = { hideBanner: () => said.push('caught up'), showBanner: (text: string) => said.push(text) }
  runScript(await example('client-events'), { changes, ...names, console: { warn: () => {} } })
  await eventually(() => expect([...users.values()]).toMatchObject([{ name: 'ann' }]))
  await eventually(() => expect(said).toContain('caught up'))

  await database.query(`insert into "user" (id, name, password) values (2, 'bob', '')`)
  await database.query(`update "user" set name = 'eve' where id = 1`)
  await eventually(() => expect([...live]).toMatchObject([{ name: 'eve' }, { name: 'bob' }]))
  expect([...users.values()]).toMatchObject([{ name: 'eve' }, { name: 'bob' }])
  expect(rendered[0]).toBe('ann')
  expect(content.changefeed).toMatch(/^\w+\.\w+\.\w+/)
})

test('the list of the README follows the server', async () => {
  const { port } = await app()
  const io = { socket: openSailsSocket({ port }) }
  await runModule(await example('client-in-short'), { io })
  const { changefeed: built } = io.socket as unknown as { changefeed: Changes }
  await eventually(() => expect(built.state).toBe('live'))
  built.close()
})

test('a plain socket.io client, as on the page', async () => {
  const { port } = await app()
  const io = (url: string, options: object) => {
    const socket = connect(url, { multiplex: false, ...options })
    afterScope(() => socket.close())
    return socket
  }
  const code = await example('client-plain')
  const changes = runScript(code, { changefeed, io, url: `http://127.0.0.1:${port}` }, 'changes') as Changes
  const users = changes.live('/user')
  await eventually(() => expect([changes.state, [...users]]).toEqual(['live', []]))
})

test('sails.io.js in Node, as on the page', async () => {
  const { database, port } = await app()
  await database.query(`insert into "user" (id, name, password) values (1, 'ann', '')`)
  const show = `changes.live('/user').onChange = users => console.log('users: ' + users.map(({ name }) => name))`
  const code = `const url = 'http://127.0.0.1:${port}'\n${await example('client-node')}\n${show}`
  const { line } = startProgram(process.execPath, [fileURLToPath(await moduleFile('node.mjs', code))])
  await line(/^users: ann$/)
})
