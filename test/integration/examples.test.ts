import { readdir } from 'node:fs/promises'
import { connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { openPage } from '../helpers/browser.ts'
import { testDatabase } from '../helpers/database.ts'
import { manifest, startExample } from '../helpers/example-app.ts'
import { afterScope } from '../helpers/scope.ts'

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
  const next = () => new Promise(resolve => client.once('todo', message => resolve(message)))
  await database.query(`insert into todo (title) values ('rest')`)
  expect(await client.emitWithAck('todos')).toEqual([{ id: 1, title: 'rest', done: false }])
  const created = next()
  await database.query(`insert into todo (title) values ('buy milk')`)
  expect(await created).toMatchObject({ verb: 'created', id: 2, data: { id: 2, title: 'buy milk', done: false } })
  const updated = next()
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
