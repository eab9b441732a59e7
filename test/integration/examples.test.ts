import { fileURLToPath } from 'node:url'
import { connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { openPage } from '../helpers/browser.ts'
import { testDatabase } from '../helpers/database.ts'
import { startProgram } from '../helpers/program.ts'
import { afterScope } from '../helpers/scope.ts'

const path = (name: string) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))

async function startExample(name: string) {
  const database = await testDatabase()
  const env = { DATABASE_URL: database.connectionString, PORT: '0' }
  const program = startProgram(process.execPath, [path(name)], env)
  return { database, url: await program.line(/^http/) }
}

test('a plain socket.io client follows what SQL writes', async () => {
  const { database, url } = await startExample('socket.io-plain/server.mjs')
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
  const { database, url } = await startExample('socket.io-plain/server.mjs')
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
