import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { testDatabase } from '../helpers/database.ts'
import { eventually } from '../helpers/eventually.ts'
import { built } from '../helpers/program.ts'
import { startRedis } from '../helpers/redis.ts'
import { connectSailsClient } from '../helpers/sails-client.ts'
import { sailsApp } from './sails-app.ts'

const ADAPTERS = ['@sailshq/socket.io-redis', '@socket.io/redis-adapter']

test.each(ADAPTERS)(
  'an existing Sails app, lifted twice with %s: install, start, and raw writes arrive once',
  async adapter => {
    const database = await testDatabase()
    await database.query('create table pet (id serial primary key, name text)')
    const redis = await startRedis()
    const env = {
      APP_DATABASE_URL: database.connectionString,
      APP_REDIS_URL: redis.url,
      APP_ADAPTER: adapter,
      CHANGEFEED_HTTP_PORT: 'off',
    }
    const app = await sailsApp()
    const lifted = await Promise.all([app.lift(env), app.lift(env)])
    const clients = await Promise.all(lifted.map(({ port }) => connectSailsClient({ port, transports: ['websocket'] })))
    for (const client of clients) expect((await client.get('/pet')).statusCode).toBe(200)

    const install = app.run('install', env)
    expect([(await install.ended).code, install.lines.join('\n')]).toEqual([0, expect.stringMatching(/\+ pet/)])
    const listener = app.run('start', env)
    expect(await listener.line(/The listener is ready/)).toMatch(/the app's own adapter/)

    for (let id = 1; id <= 30; id++) {
      await database.query(`insert into pet (id, name) values (${id}, 'a'); update pet set name = 'b' where id = ${id}`)
    }
    const expected = Array.from({ length: 30 }, (_, index) => [`created ${index + 1}`, `updated ${index + 1}`]).flat()
    for (const client of clients) {
      const heard = () => client.messages.of('pet').map(({ data }) => `${data.verb} ${data.id}`)
      await eventually(() => expect(heard()).toEqual(expected), { withinMs: 20_000 })
    }
    listener.kill('SIGTERM')
    expect((await listener.ended).code).toBe(0)
    expect(listener.lines.join()).not.toMatch(/bootstrap ran/)
  },
)

test.each(ADAPTERS)(
  'beside the hook in the app, with %s: what a blueprint wrote is told once, by the blueprint, and the socket that asked is left out',
  async adapter => {
    const database = await testDatabase()
    await database.query('create table pet (id serial primary key, name text)')
    const redis = await startRedis()
    const env = {
      APP_DATABASE_URL: database.connectionString,
      APP_REDIS_URL: redis.url,
      APP_ADAPTER: adapter,
      APP_HOOK: fileURLToPath(built('sails/hook.cjs')),
      CHANGEFEED_HTTP_PORT: 'off',
    }
    const app = await sailsApp()
    expect((await app.run('install', env).ended).code).toBe(0)
    await app.run('start', env).line(/The listener is ready/) // before the app, so it leads
    const lifted = await Promise.all([app.lift(env), app.lift(env)])
    const [asking, other] = await Promise.all(
      lifted.map(({ port }) => connectSailsClient({ port, transports: ['websocket'] })),
    )
    for (const client of [asking, other]) expect((await client?.get('/pet'))?.statusCode).toBe(200)
    expect((await asking?.post('/pet', { name: 'rex' }))?.statusCode).toBe(200)
    await database.query(`insert into pet (name) values ('max')`)
    const heard = (client = asking) => client?.messages.of('pet').map(({ data }) => `${data.verb} ${data.data.name}`)
    await eventually(() => expect(heard(other)).toContain('created max'), { withinMs: 20_000 })
    await eventually(() => expect(heard(asking)).toContain('created max'), { withinMs: 20_000 })
    expect([heard(asking), heard(other)]).toEqual([['created max'], ['created rex', 'created max']])
  },
)

test('with the hook and @sailshq/socket.io-redis, Redis goes away and comes back: nothing is lost', async () => {
  const database = await testDatabase()
  await database.query('create table pet (id serial primary key, name text)')
  const redis = await startRedis()
  const env = {
    APP_DATABASE_URL: database.connectionString,
    APP_REDIS_URL: redis.url,
    APP_ADAPTER: '@sailshq/socket.io-redis',
    APP_HOOK: fileURLToPath(built('sails/hook.cjs')),
  }
  const app = await sailsApp()
  await app.run('install', env).ended
  const lifted = await Promise.all([app.lift(env), app.lift(env)])
  const clients = await Promise.all(lifted.map(({ port }) => connectSailsClient({ port, transports: ['websocket'] })))
  for (const client of clients) expect((await client.get('/pet')).statusCode).toBe(200)
  const write = async (from: number, to: number) => {
    for (let id = from; id <= to; id++) await database.query(`insert into pet (id, name) values (${id}, 'pet')`)
  }
  const heard = () => clients.map(client => new Set(client.messages.of('pet').map(({ data }) => data.id)).size)
  await write(1, 20)
  await eventually(() => expect(heard()).toEqual([20, 20]), { withinMs: 20_000 })
  await redis.stop()
  await write(21, 40)
  await redis.start()
  await write(41, 60)
  await eventually(() => expect(heard()).toEqual([60, 60]), { withinMs: 40_000, everyMs: 200 })
})
