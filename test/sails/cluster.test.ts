import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { beforeAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../helpers/database.ts'
import { eventually } from '../helpers/eventually.ts'
import { scratchFolder } from '../helpers/folder.ts'
import { connectSailsClient, type SailsClient } from '../helpers/sails-client.ts'
import { afterScope } from '../helpers/scope.ts'
import { freePort, startApp, summary } from './fixture.ts'

const SAFE = { config: { models: { migrate: 'safe' } }, changefeed: { install: false } }

let redis: string

beforeAll(async () => {
  redis = await startRedis()
})

const cases = [
  ['in-memory adapter, keep', false, 'keep'],
  ['in-memory adapter, replace', false, 'replace'],
  ['Redis adapter, keep', true, 'keep'],
  ['Redis adapter, replace', true, 'replace'],
] as const

test.each(cases)(
  'two processes: each socket hears of each change once, wherever it and the writer are (%s)',
  async (_name, shared, blueprints) => {
    const { database, nodes, clients } = await twoProcesses(shared, blueprints)
    const [here, there] = clients
    await here.post('/pet', { name: 'of the first' })
    await there.post('/pet', { name: 'of the second' })
    await there.patch('/pet/1', { name: 'max' })
    await here.patch('/pet/2/rename', { name: 'tom' })
    await database.query(`update pet set name = name || '!' where id = 1`)
    await here.delete('/pet/2')
    await settle(database, clients)
    expect(sorted(here)).toEqual(['pet created 2', 'pet updated 1', 'pet updated 1'].concat(END).sort())
    expect(sorted(there)).toEqual(
      ['pet created 1', 'pet destroyed 2', 'pet updated 1', 'pet updated 2'].concat(END).sort(),
    )
    expect(nodes).toHaveLength(2)
  },
)

test('what a blueprint of another process wrote and did not tell is told by the leader, and nothing twice', async () => {
  const { database, clients } = await twoProcesses(true, 'keep')
  const [here, there] = clients
  await database.query(`insert into student (name) values ('sue'); insert into course (title) values ('art')`)
  for (const client of clients) for (const path of ['/student', '/course']) await client.get(path)
  await settle(database, clients)
  for (const client of clients) client.messages.clear()
  await there.patch('/student/1', { name: 'susan', courses: [1] })
  await settle(database, clients)
  const told = ['course addedTo 1 students 1', 'student addedTo 1 courses 1', 'student updated 1']
  expect(sorted(here)).toEqual([...told, ...END].sort())
  expect(sorted(there)).toEqual(END)
})

test.each([
  ['in-memory', false],
  ['Redis', true],
] as const)('killing the leader costs no change (%s adapter)', async (_name, shared) => {
  const { database, nodes, clients } = await twoProcesses(shared, 'keep')
  const [, there] = clients
  await database.query(`insert into pet (name) values ('before')`)
  await there.messages.next('pet', ({ data }) => data.verb === 'created')
  nodes[0].program.kill('SIGKILL')
  await nodes[0].program.ended
  for (let n = 1; n <= 20; n++) await database.query(`update pet set nick_name = $1`, [`n${n}`])
  const nicks = () => there.messages.of('pet').flatMap(({ data }) => data.data?.nick ?? [])
  await eventually(() => expect(new Set(nicks()).size).toBe(20), { withinMs: 20_000 })
  expect(nicks().at(-1)).toBe('n20')
})

/** A last change, which arrives after all others. */
const END = ['pet created 99', 'pet destroyed 99']

async function settle(database: TestDatabase, clients: readonly SailsClient[]) {
  await database.query(`insert into pet (id, name) values (99, 'end'); delete from pet where id = 99`)
  await Promise.all(
    clients.map(client => client.messages.next('pet', ({ data }) => data.verb === 'destroyed' && data.id === 99)),
  )
}

/** Who asked is left out, so the order in which the rest comes depends on the node. */
const sorted = (client: SailsClient) => summary(client).sort()

async function twoProcesses(shared: boolean, blueprints: 'keep' | 'replace') {
  const database = await testDatabase()
  const options = shared ? { redis: `${redis}/${++databases}` } : {}
  const first = await startApp(database, { ...options, changefeed: { blueprints } })
  const second = await startApp(database, { ...options, ...SAFE, changefeed: { ...SAFE.changefeed, blueprints } })
  const nodes = [first, second] as const
  const clients = await Promise.all(nodes.map(({ port }) => connectSailsClient({ port })))
  const [here, there] = clients
  if (!here || !there) throw new Error('two clients are needed')
  for (const client of [here, there]) await client.get('/pet')
  return { database, nodes, clients: [here, there] as const }
}

let databases = 0

async function startRedis(): Promise<string> {
  const port = await freePort()
  const folder = await scratchFolder()
  const server = spawn('redis-server', ['--port', String(port), '--save', '', '--dir', folder, '--bind', '127.0.0.1'])
  afterScope(() => server.kill('SIGKILL'))
  for await (const line of createInterface({ input: server.stdout })) {
    if (/Ready to accept connections/.test(line)) break
  }
  server.stdout.resume()
  return `redis://127.0.0.1:${port}`
}
