import { createAdapter as createPostgresAdapter } from '@socket.io/postgres-adapter'
import pg from 'pg'
import { expect, test } from 'vitest'
import { classRoom, recordRoom } from '../../src/publish/socketio/rooms.ts'
import { eventually } from '../helpers/eventually.ts'
import type { TestProgram } from '../helpers/program.ts'
import { startRedis } from '../helpers/redis.ts'
import type { SailsClient } from '../helpers/sails-client.ts'
import { afterScope } from '../helpers/scope.ts'
import { openShop, type Shop } from '../integration/feed/fixture.ts'
import { redisAdapter, startAppServer } from './app-server.ts'
import { type Operator, operator } from './program.ts'

const TOKEN = 'a token of some length'
const READY = /The listener is ready/

async function openInstalledShop() {
  const shop = await openShop()
  await shop.feed().install()
  return shop
}

/** Two servers of an app with a shared adapter, a client on each, and a separate listener. */
async function openRedisCluster() {
  const shop = await openInstalledShop()
  const redis = await startRedis()
  const servers = await Promise.all([1, 2].map(async () => await startAppServer(await redisAdapter(redis.url))))
  const clients = await Promise.all(servers.map(server => server.member(classRoom('pet'))))
  const desk = await operator({
    DATABASE_URL: shop.database.connectionString,
    CHANGEFEED_REDIS_URL: redis.url,
    CHANGEFEED_HTTP_PORT: 'off',
  })
  return { shop, redis, servers, clients, desk, start: () => startListening(desk) }
}

async function startListening(desk: Operator): Promise<TestProgram> {
  const program = desk.run('start')
  await program.line(READY)
  return program
}

const verbs = (client: SailsClient) => client.messages.of('pet').map(({ data }) => `${data.verb} ${data.id}`)

const createdIds = (client: SailsClient) =>
  new Set(client.messages.of('pet').flatMap(({ data }) => (data.verb === 'created' ? [Number(data.id)] : [])))

/** Writes one row at a time until stopped. Reports their number. */
function keepWriting({ database }: Shop) {
  let count = 0
  let going = true
  const done = (async () => {
    const client = await database.connect()
    while (going) await client.query(`insert into pet (id, name) values (${++count}, 'pet'); select pg_sleep(0.01)`)
    return count
  })()
  return {
    reached: (rows: number) => eventually(() => expect(count).toBeGreaterThan(rows), { withinMs: 30_000 }),
    stop() {
      going = false
      return done
    },
  }
}

/** Duplicates have the same content and cursor. */
function expectOnceOrAgain(client: SailsClient) {
  const said = new Map<string, string>()
  for (const { data, meta } of client.messages.of('pet')) {
    const text = JSON.stringify(data)
    expect(said.get(`${meta.cursor} ${data.verb}`) ?? text).toBe(text)
    said.set(`${meta.cursor} ${data.verb}`, text)
  }
}

async function expectAllArrived(clients: readonly SailsClient[], count: number) {
  for (const client of clients) {
    await eventually(() => expect(createdIds(client).size).toBe(count), { withinMs: 40_000, everyMs: 200 })
    expectOnceOrAgain(client)
  }
}

test('Redis: a raw write reaches each socket of each server once, including created and updated of one transaction', async () => {
  const { shop, servers, clients, start } = await openRedisCluster()
  const outsider = await servers[0]?.member(recordRoom('pet', 1))
  await start()
  for (let id = 1; id <= 50; id++) {
    await shop.database.query(
      `insert into pet (id, name) values (${id}, 'a'); update pet set name = 'b' where id = ${id}`,
    )
  }
  await shop.database.query('delete from pet where id = 50')
  const expected = Array.from({ length: 50 }, (_, index) => [`created ${index + 1}`, `updated ${index + 1}`]).flat()
  for (const client of clients) {
    await eventually(() => expect(verbs(client).at(-1)).toBe('destroyed 50'), { withinMs: 20_000 })
    expect(verbs(client)).toEqual([...expected, 'destroyed 50'])
  }
  expect(outsider && verbs(outsider)).toEqual(['updated 1'])
  await shop.database.query('truncate pet')
  await eventually(() => expect(outsider && verbs(outsider)).toEqual(['updated 1', 'destroyed 1']))
  for (const client of clients) {
    await eventually(() => expect(verbs(client).filter(verb => verb.startsWith('destroyed'))).toHaveLength(50))
  }
})

test('Redis: replay publishes past changes again, marked as replayed', async () => {
  const { shop, clients, start, desk } = await openRedisCluster()
  await start()
  await shop.database.query(`insert into pet (id, name) select id, 'pet' from generate_series(1, 3) as id`)
  await shop.database.query(`insert into "user" (id, name) values (1, 'ann')`)
  for (const client of clients) await client.messages.count('pet', 3)
  const first = clients[0]?.messages.of('pet')[0]?.meta.cursor
  const count = desk.run('replay', '--since', first, '--model', 'pet', '--dry-run', '--json')
  await count.ended
  expect(JSON.parse(count.lines.join(''))).toMatchObject({ total: 2 })
  const replay = desk.run('replay', '--since', first, '--model', 'pet')
  expect((await replay.ended).code).toBe(0)
  expect(replay.lines.at(-1)).toBe('Published 2 changes again')
  for (const client of clients) {
    const again = (await client.messages.count('pet', 5)).slice(3)
    expect(again.map(({ data, meta }) => [data.verb, data.id, meta.replayed])).toEqual([
      ['created', 2, true],
      ['created', 3, true],
    ])
  }
})

test('Redis: a replay over HTTP during publishing reaches every client once, without loss of other changes', async () => {
  const { shop, clients, desk } = await openRedisCluster()
  const program = desk.run('start', '--http-port', '0', '--token', TOKEN)
  const port = /127\.0\.0\.1:(\d+)/.exec(await program.line(/Status page/))?.[1]
  await program.line(READY)
  await shop.database.query(`insert into pet (id, name) select -id, 'old' from generate_series(1, 300) as id`)
  for (const client of clients) await client.messages.count('pet', 300)
  const writing = keepWriting(shop)
  await writing.reached(20)
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ since: '1h', until: new Date(Date.now() - 1), models: ['pet'] })
  const replay = await fetch(`http://127.0.0.1:${port}/operations/replay`, { method: 'POST', headers, body })
  const { total } = (await replay.json()) as { total: number }
  expect(total).toBeGreaterThan(300)
  await writing.reached(200)
  const written = await writing.stop()
  for (const client of clients) {
    const messages = (replayed: boolean) =>
      client.messages.of('pet').filter(({ meta }) => (meta.replayed === true) === replayed)
    await eventually(() => expect(messages(false)).toHaveLength(300 + written), { withinMs: 40_000 })
    await eventually(() => expect(messages(true)).toHaveLength(total), { withinMs: 40_000 })
    for (const [each, count] of [
      [messages(false), 300 + written],
      [messages(true), total],
    ] as const) {
      expect(new Set(each.map(({ data }) => data.id)).size).toBe(count)
    }
  }
})

test('Redis: killing and restarting the listener under load loses nothing', async () => {
  const { shop, clients, start } = await openRedisCluster()
  const writing = keepWriting(shop)
  for (let life = 1; life <= 3; life++) {
    const program = await start()
    await writing.reached(life * 150)
    await eventually(() => expect(createdIds(clients[0] as SailsClient).size).toBeGreaterThan(life * 50))
    program.kill('SIGKILL')
    await program.ended
  }
  await start()
  await expectAllArrived(clients, await writing.stop())
})

test('Redis: during an outage under load the feed waits and loses nothing', async () => {
  const { shop, redis, clients, start } = await openRedisCluster()
  const program = await start()
  const writing = keepWriting(shop)
  await writing.reached(100)
  await redis.stop()
  await program.line(/Redis is unavailable/)
  await writing.reached(300)
  await redis.start()
  await program.line(/Redis is available again/)
  await writing.reached(500)
  await expectAllArrived(clients, await writing.stop())
})

test('Postgres adapter: messages reach each socket once, also after its connection was terminated', async () => {
  const shop = await openInstalledShop()
  const { connectionString } = shop.database
  const desk = await operator({ DATABASE_URL: connectionString, CHANGEFEED_HTTP_PORT: 'off' })
  const program = desk.run('start', '--adapter', 'postgres')
  await program.line(READY)
  const servers = await Promise.all([1, 2].map(() => startAppServer(postgresAdapter(connectionString))))
  const clients = await Promise.all(servers.map(server => server.member(classRoom('pet'))))
  const name = 'x'.repeat(10_000) // exceeds the limit of NOTIFY
  await eventually(async () => expect(await listeners(shop)).toBe(3))
  await shop.database.query(`insert into pet (id, name) values (1, 'a'), (2, $1)`, [name])
  for (const client of clients) {
    await eventually(() => expect(createdIds(client)).toEqual(new Set([1, 2])))
    expect(client.messages.of('pet')).toHaveLength(2)
  }
  await shop.database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = 'waterline-changefeed adapter'`,
  )
  await eventually(async () => expect(await listeners(shop)).toBe(3), { withinMs: 10_000 })
  await shop.database.query(`insert into pet (id, name) values (3, 'c')`)
  for (const client of clients)
    await eventually(() => expect(createdIds(client).has(3)).toBe(true), { withinMs: 20_000 })
})

function postgresAdapter(connectionString: string) {
  const pool = new pg.Pool({ connectionString, application_name: 'app adapter' })
  pool.on('error', () => {})
  pool.on('connect', client => client.on('error', () => {}))
  afterScope(() => pool.end())
  return createPostgresAdapter(pool)
}

/** Sessions whose last statement was the LISTEN of the adapter. */
async function listeners({ database }: Shop): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where datname = current_database() and query like 'LISTEN "socket.io%'`,
  )
  return row?.n ?? 0
}
