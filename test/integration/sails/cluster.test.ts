import { beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { beforeAllWith } from '../../helpers/need.ts'
import { startRedis } from '../../helpers/redis.ts'
import { connectSailsClient, type SailsClient } from '../../helpers/sails-client.ts'
import { startApp, summary } from './fixture.ts'

const SAFE = { config: { models: { migrate: 'safe' } }, changefeed: { install: false } }

const IN_MEMORY = 'in memory'

const SAILS_HQ = '@sailshq/socket.io-redis'
const SOCKET_IO = '@socket.io/redis-adapter'

describe.each([
  ['keep', IN_MEMORY],
  ['replace', IN_MEMORY],
  ['keep', SAILS_HQ],
  ['replace', SAILS_HQ],
  ['keep', SOCKET_IO],
] as const)('two processes (%s, adapter %s)', (blueprints, adapter) => {
  // They are shared, as starting them takes longer than the tests.
  let pair: Awaited<ReturnType<typeof twoProcesses>>
  const prepare = async () => {
    pair = await twoProcesses(adapter, blueprints)
  }
  if (adapter === IN_MEMORY) beforeAll(prepare)
  else beforeAllWith('redis', prepare)

  test("each socket receives each change once, on the writer's node and on the other", async () => {
    const { database, nodes, clients } = pair
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
    const asked = nodes.flatMap(({ program }) => program.lines.filter(line => line === 'asked of all: join'))
    expect(asked.length).toBeLessThan(10) // requests from another server are not forwarded to all servers again
  })

  if (blueprints === 'replace' || adapter === SOCKET_IO) return

  if (adapter === SAILS_HQ) {
    test('the leader publishes changes that a blueprint of another process did not publish, and no duplicates', async () => {
      const { database, clients } = pair
      const [here, there] = clients
      await database.query(`insert into student (name) values ('sue'); insert into course (title) values ('art')`)
      for (const client of clients) for (const path of ['/student', '/course']) await client.get(path)
      await settle(database, clients)
      for (const client of clients) client.messages.clear()
      await there.patch('/student/1', { name: 'susan', courses: [1] })
      await settle(database, clients)
      const expected = ['course addedTo 1 students 1', 'student addedTo 1 courses 1', 'student updated 1']
      expect(sorted(here)).toEqual([...expected, ...END].sort())
      expect(sorted(there)).toEqual(END)
    })
  }

  test('no change is lost when the leader is killed', async () => {
    const { database, nodes, clients } = pair
    const [, there] = clients
    there.messages.clear()
    await database.query(`delete from pet; insert into pet (name) values ('before')`)
    await there.messages.next('pet', ({ data }) => data.verb === 'created')
    nodes[0].program.kill('SIGKILL')
    await nodes[0].program.ended
    for (let n = 1; n <= 20; n++) await database.query(`update pet set nick_name = $1`, [`n${n}`])
    const nicks = () => there.messages.of('pet').flatMap(({ data }) => data.data?.nick ?? [])
    await eventually(() => expect(new Set(nicks()).size).toBe(20), { withinMs: 20_000 })
    expect(nicks().at(-1)).toBe('n20')
  })
})

/** A final change that arrives after all others. */
const END = ['pet created 99', 'pet destroyed 99']

async function settle(database: TestDatabase, clients: readonly SailsClient[]) {
  await database.query(`insert into pet (id, name) values (99, 'end'); delete from pet where id = 99`)
  await Promise.all(
    clients.map(client => client.messages.next('pet', ({ data }) => data.verb === 'destroyed' && data.id === 99)),
  )
}

/** The requesting socket is excluded, so the order of its messages depends on the node. */
const sorted = (client: SailsClient) => summary(client).sort()

async function twoProcesses(adapter: string, blueprints: 'keep' | 'replace') {
  const database = await testDatabase()
  const options = adapter === IN_MEMORY ? {} : { adapter, redis: (await startRedis()).url }
  const first = await startApp(database, { ...options, changefeed: { blueprints } })
  const second = await startApp(database, { ...options, ...SAFE, changefeed: { ...SAFE.changefeed, blueprints } })
  const nodes = [first, second] as const
  const clients = await Promise.all(nodes.map(({ port }) => connectSailsClient({ port })))
  const [here, there] = clients
  if (!here || !there) throw new Error('two clients are needed')
  for (const client of [here, there]) await client.get('/pet')
  return { database, nodes, clients: [here, there] as const }
}
