import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdapter } from '@socket.io/redis-adapter'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { type Changefeed, createChangefeed } from '../../../src/changefeed.ts'
import { createRealtime } from '../../../src/realtime/realtime.ts'
import { type TestDatabase, testDatabase } from '../../helpers/database.ts'
import { eventOf } from '../../helpers/eventually.ts'
import type { Message } from '../../helpers/inbox.ts'
import { beforeAllWith } from '../../helpers/need.ts'
import { startRedis } from '../../helpers/redis.ts'
import { connectSailsClient, type SailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { definitions } from '../realtime/realtime-app.ts'

const PATHS = ['/owner', '/pet']

let redisUrl: string
beforeAllWith('redis', async () => {
  redisUrl = (await startRedis()).url
})

type Kind = 'in-memory' | 'redis'

/** Attaches the adapter, with a channel of this test. */
async function share(io: Server) {
  const [pub, sub] = [createClient({ url: redisUrl }), createClient({ url: redisUrl })]
  await Promise.all([pub.connect(), sub.connect()])
  afterScope(() => Promise.all([pub.quit(), sub.quit()]))
  io.adapter(createAdapter(pub, sub, { key: expect.getState().currentTestName ?? '' }))
}

/** One of several app servers with a feed each. */
async function startNode(database: TestDatabase, kind: Kind) {
  const { connectionString } = database
  const { collections } = await startWaterline({ connectionString, models: definitions, migrate: 'safe' })
  const server = createServer()
  const io = new Server(server, { allowEIO3: true })
  if (kind === 'redis') await share(io)
  const models = ['owner', 'pet']
  const feed = createChangefeed({ connectionString, collections, io, models })
  const realtime = createRealtime({ io, server, collections, feed, models: { owner: true, pet: true } })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterScope(() => realtime.close())
  await feed.install()
  await feed.start()
  afterScope(() => feed.stop())
  return { io, feed, port: (server.address() as AddressInfo).port }
}

async function startNodes(kind: Kind) {
  const database = await testDatabase()
  const { connectionString } = database
  await startWaterline({ connectionString, models: definitions, migrate: 'drop' })
  return { database, first: await startNode(database, kind), second: await startNode(database, kind) }
}

async function subscribed(port: number): Promise<SailsClient> {
  const client = await connectSailsClient({ port, query: 'changefeed=1' })
  for (const path of PATHS) await client.get(path)
  return client
}

const isOfRecord = ({ event }: Message) => event !== 'changefeed'
const lineOf = ({ event, data, meta }: Message) => `${meta.cursor} ${event} ${JSON.stringify(data)}`
const linesOf = ({ messages }: SailsClient) => messages.all.filter(isOfRecord).map(lineOf)

/** The answer to the request, once everything has arrived. */
async function catchUp(client: SailsClient, cursor?: string) {
  const answer = await client.get('/changefeed/since', { ...(cursor && { cursor }) })
  await client.messages.next('changefeed', ({ data }) => data.verb === 'caughtUp')
  return answer
}

async function arrived(client: SailsClient, id: number) {
  await client.messages.next('pet', ({ data }) => data.id === id)
}

async function write({ database, feed }: { readonly database: TestDatabase; readonly feed: Changefeed }, id: number) {
  await database.query(
    `insert into pet (id, name, owner) values (${id}, 'rex', 1); update pet set name = 'tom' where id = ${id}`,
  )
  await feed.settled()
}

test.each(['in-memory', 'redis'] as const)(
  'a cursor of one node is good on another, also after a change of leader, with the %s adapter',
  async kind => {
    const { database, first, second } = await startNodes(kind)
    await database.query(`insert into owner (id, name) values (1, 'ann')`)
    await first.feed.settled()
    await second.feed.settled()
    const stays = await subscribed(second.port)
    await catchUp(stays)
    const cursor = await first.feed.cursor()
    await write({ database, feed: second.feed }, 1)
    await arrived(stays, 1)

    // The node that does not publish reads the change log.
    for (const { port } of [first, second]) {
      const returns = await subscribed(port)
      expect((await catchUp(returns, cursor)).body).toMatchObject({ replayed: linesOf(stays).length })
      expect(linesOf(returns)).toEqual(linesOf(stays))
    }

    const takesOver = kind === 'redis' ? eventOf(second.feed, 'leader') : Promise.resolve()
    await first.feed.stop()
    await takesOver
    await write({ database, feed: second.feed }, 2)
    await arrived(stays, 2)
    const returns = await subscribed(second.port)
    const { body } = await catchUp(returns, cursor)
    expect(body).toMatchObject({ replayed: linesOf(stays).length })
    expect(linesOf(returns)).toEqual(linesOf(stays))

    await write({ database, feed: second.feed }, 3)
    for (const client of [stays, returns]) await arrived(client, 3)
    expect(linesOf(returns)).toEqual(linesOf(stays))
    const again = await subscribed(second.port)
    expect((await catchUp(again, body.cursor)).body.gaps).toBeUndefined()
    expect(linesOf(again)).toEqual(linesOf(stays).slice(-linesOf(again).length))
  },
)

test.each(['in-memory', 'redis'] as const)(
  'a socket that has announced itself misses nothing of its first page, on each node, with the %s adapter',
  async kind => {
    const { database, first, second } = await startNodes(kind)
    await database.query(`insert into owner (id, name) values (1, 'ann')`)
    await second.feed.settled()
    for (const [index, { port }] of [first, second].entries()) {
      const client = await subscribed(port)
      const id = index + 1
      await write({ database, feed: second.feed }, id)
      expect(linesOf(client)).toEqual([])
      expect((await catchUp(client)).body.gaps).toBeUndefined()
      expect(client.messages.of('pet').map(({ data }) => `${data.verb} ${data.id}`)).toEqual([
        `created ${id}`,
        `updated ${id}`,
      ])
    }
  },
)

test('where the node does not publish, a socket that was told no cursor receives a gap', async () => {
  const { database, second } = await startNodes('redis')
  const client = await connectSailsClient({ port: second.port, query: 'changefeed=1' })
  const socket = second.io.of('/').sockets.get(client.id)
  if (!socket) throw new Error('The server has no socket of this client')
  await second.feed.subscribe(socket, 'pet')
  await write({ database, feed: second.feed }, 1)
  expect((await catchUp(client)).body.gaps).toEqual([{ reason: 'declared', identities: ['pet'] }])
})
