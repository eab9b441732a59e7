import { readdir } from 'node:fs/promises'
import { connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { openPage } from '../helpers/browser.ts'
import { testDatabase } from '../helpers/database.ts'
import { manifest, startExample } from '../helpers/example-app.ts'
import { freePort } from '../helpers/port.ts'
import { connectSailsClient } from '../helpers/sails-client.ts'
import { afterScope } from '../helpers/scope.ts'

/** Of sails.io.js, in the console of a page. */
const GREETING = expect.stringContaining('Now connected to')

test('the examples depend on the versions that are tested', async () => {
  const { dependencies, devDependencies } = await manifest()
  const tested = { ...dependencies, ...devDependencies, 'waterline-changefeed': 'file:../..' }
  const names = (await readdir(new URL('../../examples', import.meta.url))).filter(name => name !== 'deploy')
  for (const name of names) expect(tested).toMatchObject((await manifest(`examples/${name}`)).dependencies)
})

async function startTodoList() {
  const database = await testDatabase()
  const program = await startExample('socket.io-plain', { DATABASE_URL: database.connectionString, PORT: '0' })
  return { database, url: await program.line(/^http/) }
}

test('a plain socket.io client follows what SQL writes', async () => {
  const { database, url } = await startTodoList()
  const client = connect(url, { transports: ['websocket'] })
  afterScope(() => client.disconnect())
  const next = (verb: string, id: number) =>
    new Promise(resolve => client.on('todo', message => message.verb === verb && message.id === id && resolve(message)))
  await database.query(`insert into todo (title) values ('rest')`)
  expect(await client.emitWithAck('todos')).toEqual([{ id: 1, title: 'rest', done: false }])
  const created = next('created', 2)
  await database.query(`insert into todo (title) values ('buy milk')`)
  expect(await created).toMatchObject({ verb: 'created', id: 2, data: { id: 2, title: 'buy milk', done: false } })
  const updated = next('updated', 1)
  await database.query('update todo set done = true where id = 1')
  expect(await updated).toMatchObject({ verb: 'updated', id: 1, data: { done: true } })
})

test('so does its page', async () => {
  const { database, url } = await startTodoList()
  const { page, logged } = await openPage(url)
  await page.waitForFunction('socket.connected')
  await database.query(`insert into todo (title) values ('buy <milk>')`)
  await page.getByText('· buy <milk>').waitFor()
  await database.query('update todo set done = true')
  await page.getByText('✓ buy <milk>').waitFor()
  await database.query('delete from todo')
  await page.getByText('buy <milk>').waitFor({ state: 'detached' })
  expect(logged).toEqual([])
})

test('a Sails app with the hook sends to sails.io.js what SQL and its blueprints write', async () => {
  const database = await testDatabase()
  const port = await freePort()
  const app = await startExample('sails', { DATABASE_URL: database.connectionString, PORT: `${port}` })
  const url = await app.line(/^http/, 60_000)
  const [asking, other] = [await connectSailsClient({ port }), await connectSailsClient({ port })]
  const { page, logged } = await openPage(url)
  for (const client of [asking, other]) {
    for (const model of ['user', 'pet']) expect((await client.get(`/${model}`)).statusCode).toBe(200)
  }
  await database.query(`insert into "user" (name, phone) values ('Ada', '123')`)
  await database.query(`insert into pet (name, owner) values ('Rex', 1)`)
  expect((await asking.messages.next('user')).data).toMatchObject({ verb: 'created', id: 1, data: { name: 'Ada' } })
  expect((await asking.messages.next('user')).data).toMatchObject({ verb: 'addedTo', attribute: 'pets', addedId: 1 })
  await page.getByText("Rex, Ada's").waitFor()
  expect((await asking.patch('/pet/1', { name: 'Max' })).statusCode).toBe(200)
  await page.getByText("Max, Ada's").waitFor()
  const updated = await other.messages.next('pet', ({ data }) => data.verb === 'updated')
  expect(updated.data).toMatchObject({ id: 1, data: { name: 'Max' } })
  expect(JSON.stringify([asking.messages.all, other.messages.all])).not.toMatch(/phone|123/)
  expect(asking.messages.of('pet').map(({ data }) => data.verb)).toEqual(['created'])
  expect(logged).toEqual([GREETING])
})

test('an Express app gives sails.io.js the realtime of Sails, and sends what SQL and its own routes write', async () => {
  const database = await testDatabase()
  const app = await startExample('waterline-express', { DATABASE_URL: database.connectionString, PORT: '0' })
  const url = await app.line(/^http/)
  const client = await connectSailsClient({ port: Number(new URL(url).port) })
  expect((await client.get('/user')).body).toEqual([{ id: 1, name: 'Ada', pets: [] }])
  expect((await client.get('/pet')).body).toEqual([])
  const { page, logged } = await openPage(url)
  await page.waitForFunction('records.user.size === 1')
  await database.query(`insert into pet (name) values ('Rex')`)
  const created = await client.messages.next('pet')
  expect(created.data).toMatchObject({ verb: 'created', id: 1, data: { name: 'Rex', owner: null } })
  await page.getByRole('button', { name: 'adopt' }).click()
  await page.getByText("Rex, Ada's").waitFor()
  expect((await client.messages.next('user')).data).toMatchObject({ verb: 'addedTo', attribute: 'pets', addedId: 1 })
  await page.getByLabel('Name').fill('Max')
  await page.getByRole('button', { name: 'Add a pet' }).click()
  await page.getByText("Max, nobody's").waitFor()
  await client.messages.next('pet', ({ data }) => data.verb === 'created' && data.data.name === 'Max')
  expect((await client.post('/pet/2/adopt', { name: 'nobody' })).statusCode).toBe(404)
  expect((await client.post('/user', { name: 'Eve' })).statusCode).toBe(404)
  expect(JSON.stringify(client.messages.all)).not.toMatch(/phone|555/)
  expect(logged).toEqual([GREETING])
})

test('a listener beside two servers of an app sends to sails.io.js clients of both what SQL writes', async () => {
  const database = await testDatabase()
  const env = { DATABASE_URL: database.connectionString, PORTS: '0,0', CHANGEFEED_HTTP_PORT: '0' }
  const app = await startExample('listener', env)
  const urls = [await app.line(/^http/), await app.line(/^http/)]
  await app.line(/The listener is ready/)
  const clients = await Promise.all(urls.map(url => connectSailsClient({ port: Number(new URL(url).port) })))
  for (const client of clients) expect((await client.get('/todo')).body).toEqual([])
  const { page, logged } = await openPage(urls[0] ?? '')
  await page.waitForFunction('io.socket.isConnected()')
  await database.query(`insert into todo (title) values ('buy milk')`)
  await database.query('update todo set done = true')
  for (const client of clients) {
    expect((await client.messages.next('todo')).data).toMatchObject({ verb: 'created', id: 1, data: { done: false } })
    expect((await client.messages.next('todo')).data).toMatchObject({ verb: 'updated', id: 1, data: { done: true } })
  }
  await page.getByText('✓ buy milk').waitFor()
  expect(logged).toEqual([GREETING])
  app.kill('SIGTERM')
  expect(await app.ended).toEqual({ code: 0, signal: null })
  expect(app.lines.join('\n')).toMatch(/The listener has stopped/)
})
