import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdapter as createPostgresAdapter } from '@socket.io/postgres-adapter'
import { createAdapter as createRedisAdapter } from '@socket.io/redis-adapter'
import pg from 'pg'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { parseCursor } from '../../../src/change-log/cursor.ts'
import { createChangefeed } from '../../../src/changefeed.ts'
import { createRealtime } from '../../../src/realtime/realtime.ts'
import { type TestDatabase, testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import type { Message } from '../../helpers/inbox.ts'
import { startRedis } from '../../helpers/redis.ts'
import { connectSailsClient, type SailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { installedDatabase } from '../feed/fixture.ts'
import { definitions } from '../realtime/realtime-app.ts'

type Attach = (io: Server) => Promise<void>

const PATHS = ['/owner', '/pet']

/** App servers of one database, each with a feed and sockets. */
async function cluster(attach: Attach = async () => {}) {
  const database = await installedDatabase('nodes', definitions)
  const { connectionString } = database
  const node = async () => {
    const server = createServer()
    const io = new Server(server, { allowEIO3: true })
    await attach(io)
    const app = await startWaterline({ connectionString, models: definitions })
    const feed = createChangefeed({ connectionString, collections: app.collections, io })
    const realtime = createRealtime({
      io,
      server,
      collections: app.collections,
      feed,
      models: { owner: true, pet: true },
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const stop = async () => {
      await feed.stop()
      await realtime.close()
    }
    afterScope(stop)
    await feed.start()
    const { port } = server.address() as AddressInfo
    return { feed, stop, connect: () => connectSailsClient({ port, query: 'changefeed=1' }) }
  }
  return { database, node }
}

type Node = Awaited<ReturnType<Awaited<ReturnType<typeof cluster>>['node']>>

async function subscribe(client: SailsClient) {
  for (const path of PATHS) expect((await client.get(path)).statusCode).toBe(200)
}

/** Subscribes on this node and asks for what came after the cursor. */
async function returnTo(node: Node, cursor: string) {
  const client = await node.connect()
  await subscribe(client)
  const answer = await client.get('/changefeed/since', { cursor })
  await client.messages.next('changefeed', ({ data }) => data.verb === 'caughtUp')
  return { client, answer, lines: linesOf(client) }
}

const lineOf = ({ event, data, meta }: Message) => `${event} ${JSON.stringify(data)} ${meta?.cursor}`
const linesOf = ({ messages }: SailsClient) => messages.all.filter(({ event }) => event !== 'changefeed').map(lineOf)

/** What each of two clients misses: rows of both models, in transactions and alone. */
async function write(database: TestDatabase, from: number) {
  for (let n = from; n < from + 3; n++) {
    await database.query(`insert into owner (id, name) values (${n}, 'owner ${n}')`)
    await database.query(`insert into pet (id, name, owner) values (${2 * n}, 'a', ${n}), (${2 * n + 1}, 'b', ${n})`)
    await database.query(`update pet set name = 'c' where owner = ${n}; delete from pet where id = ${2 * n}`)
  }
}

/** Until all nodes have sent what was committed to their sockets. */
async function settle(database: TestDatabase, clients: readonly SailsClient[]) {
  const id = 10_000 + Math.floor(Math.random() * 1_000_000)
  await database.query(`insert into owner (id, name) values (${id}, 'last')`)
  for (const client of clients) await client.messages.next('owner', ({ data }) => data.id === id)
}

/** A client that stays on the node, from now on. */
async function stayOn(node: Node) {
  const client = await node.connect()
  await subscribe(client)
  await client.get('/changefeed/since')
  await node.feed.settled()
  const cursor = await node.feed.cursor()
  client.messages.clear()
  return { client, cursor }
}

test('every node answers the cursor of every other, also after a change of leader and a restart', async () => {
  const { database, node } = await cluster()
  const [first, second] = [await node(), await node()]
  expect([first.feed.status().role, second.feed.status().role]).toEqual(['leader', 'follower'])
  await write(database, 1)
  const [onFirst, onSecond] = [await stayOn(first), await stayOn(second)]
  await write(database, 11)
  await settle(database, [onFirst.client, onSecond.client])
  const missed = linesOf(onFirst.client)
  expect(missed.length).toBeGreaterThan(15)
  expect(linesOf(onSecond.client)).toEqual(missed)
  expect((await returnTo(first, onSecond.cursor)).lines).toEqual(missed)
  expect((await returnTo(second, onFirst.cursor)).lines).toEqual(missed)

  await first.stop()
  await eventually(() => expect(second.feed.status().role).toBe('leader'), { withinMs: 15_000 })
  await write(database, 21)
  await settle(database, [onSecond.client])
  const all = linesOf(onSecond.client)
  expect(all.length).toBeGreaterThan(30)
  expect((await returnTo(second, onFirst.cursor)).lines).toEqual(all)

  const third = await node() // has sent nothing yet
  const returned = await returnTo(third, onFirst.cursor)
  expect(returned.lines).toEqual(all)
  expect(returned.answer).toMatchObject({ statusCode: 200, body: { replayed: all.length } })
  expect(returned.answer.body.gaps).toBeUndefined()
  // Before a record that is created and destroyed: a client that knows it receives its end only.
  const place = all.findIndex(line => line.includes('owner 22'))
  const middle = all[place]?.split(' ').at(-1) ?? ''
  const rest = all.slice(place + 1)
  expect((await returnTo(third, middle)).lines).toEqual(rest)
  returned.client.messages.clear()
  await write(database, 31)
  await settle(database, [returned.client, onSecond.client])
  expect(linesOf(returned.client)).toEqual(linesOf(onSecond.client).slice(all.length))
}, 60_000)

const adapters: Record<string, () => Promise<Attach>> = {
  async Postgres() {
    const { connectionString } = await testDatabase()
    return async io => {
      const pool = new pg.Pool({ connectionString })
      pool.on('error', () => {})
      await pool.query(`create table if not exists socket_io_attachments (
        id bigserial unique, created_at timestamptz default now(), payload bytea)`)
      io.adapter(createPostgresAdapter(pool))
      afterScope(() => pool.end())
    }
  },
  async Redis() {
    const { url } = await startRedis()
    return async io => {
      const [pub, sub] = [createClient({ url }), createClient({ url })]
      await Promise.all([pub.connect(), sub.connect()])
      io.adapter(createRedisAdapter(pub, sub))
      afterScope(async () => void (await Promise.all([pub.quit(), sub.quit()])))
    }
  },
}

test.each(Object.keys(adapters))(
  'with a cluster adapter, each node answers, whether it leads or not: %s',
  async name => {
    const { database, node } = await cluster(await adapters[name]?.())
    const [first, second] = [await node(), await node()]
    expect([first.feed.status().role, second.feed.status().role]).toEqual(['leader', 'standby'])
    const [onFirst, onSecond] = [await stayOn(first), await stayOn(second)]
    await write(database, 1)
    await settle(database, [onFirst.client, onSecond.client])
    // The Postgres adapter may swap the messages of one event, which it sends over several connections.
    const order = (lines: string[]) => (name === 'Postgres' ? lines.toSorted() : lines)
    const missed = order(linesOf(onFirst.client))
    expect(order(linesOf(onSecond.client))).toEqual(missed)
    for (const each of [first, second]) {
      const { answer, lines } = await returnTo(each, onFirst.cursor)
      expect(order(lines)).toEqual(missed)
      expect(answer.body.gaps).toBeUndefined()
    }

    await first.stop()
    await eventually(() => expect(second.feed.status().role).toBe('leader'), { withinMs: 15_000 })
    await write(database, 11)
    await settle(database, [onSecond.client])
    expect(order((await returnTo(second, onFirst.cursor)).lines)).toEqual(order(linesOf(onSecond.client)))
  },
  60_000,
)

test('on a node that does not publish, replayed and live messages together are complete while writes go on', async () => {
  const { database, node } = await cluster(await adapters.Postgres?.())
  const [, second] = [await node(), await node()]
  const stays = await stayOn(second)
  let isWriting = true
  const writing = (async () => {
    for (let n = 1; isWriting; n++) await database.query(`insert into owner (id, name) values (${n}, 'owner')`)
  })()
  await stays.client.messages.next('owner', ({ data }) => data.id >= 50)
  const { client, answer } = await returnTo(second, stays.cursor)
  expect(answer.statusCode).toBe(200)
  await client.messages.next('owner', ({ data }) => data.id >= 200)
  isWriting = false
  await writing
  await settle(database, [stays.client, client])
  const expected = linesOf(stays.client)
  const unique = [...new Set(linesOf(client))]
  const placeOf = (line: string) => parseCursor(line.split(' ').at(-1) ?? '')
  const inOrder = unique.toSorted((a, b) =>
    Number(placeOf(a).tick - placeOf(b).tick || placeOf(a).seq - placeOf(b).seq),
  )
  expect(inOrder).toEqual(expected) // one message for each change
}, 60_000)
