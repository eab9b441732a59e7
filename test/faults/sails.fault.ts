import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { testDatabase } from '../helpers/database.ts'
import { eventually } from '../helpers/eventually.ts'
import { built } from '../helpers/program.ts'
import { startRedis } from '../helpers/redis.ts'
import { connectSailsClient } from '../helpers/sails-client.ts'
import { sailsApp } from './sails-app.ts'

const ADAPTERS = ['@sailshq/socket.io-redis', '@socket.io/redis-adapter']
const HOOK = { APP_HOOK: fileURLToPath(built('sails/hook.cjs')) }

/** `lift` lifts it twice, and returns a client of each that watches pets. */
async function existingApp(adapter: string, more: Record<string, string> = {}) {
  const database = await testDatabase()
  await database.query('create table pet (id serial primary key, name text)')
  const redis = await startRedis()
  const app = await sailsApp()
  const env = {
    APP_DATABASE_URL: database.connectionString,
    APP_REDIS_URL: redis.url,
    APP_ADAPTER: adapter,
    CHANGEFEED_HTTP_PORT: 'off',
    ...more,
  }
  const watching = async () => {
    const client = await connectSailsClient({ port: (await app.lift(env)).port, transports: ['websocket'] })
    expect((await client.get('/pet')).statusCode).toBe(200)
    return client
  }
  return {
    ...{ database, redis },
    run: (command: string) => app.run(command, env),
    lift: () => Promise.all([watching(), watching()]),
  }
}

test.each(ADAPTERS)(
  'an existing Sails app, lifted twice with %s, receives raw writes once after install and start',
  async adapter => {
    const { database, run, lift } = await existingApp(adapter)
    const clients = await lift()

    const install = run('install')
    expect([(await install.ended).code, install.lines.join('\n')]).toEqual([
      0,
      expect.stringMatching(/\+ not captured yet: pet/),
    ])
    const listener = run('start')
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
  'with the hook in the app and %s, blueprint writes are published once, by the blueprint, except to the requesting socket',
  async adapter => {
    const { database, run, lift } = await existingApp(adapter, HOOK)
    expect((await run('install').ended).code).toBe(0)
    await run('start').line(/The listener is ready/) // starts before the app, so it leads
    const [asking, other] = await lift()
    expect((await asking?.post('/pet', { name: 'rex' }))?.statusCode).toBe(200)
    await database.query(`insert into pet (name) values ('max')`)
    const heard = (client = asking) => client?.messages.of('pet').map(({ data }) => `${data.verb} ${data.data.name}`)
    await eventually(() => expect(heard(other)).toContain('created max'), { withinMs: 20_000 })
    await eventually(() => expect(heard(asking)).toContain('created max'), { withinMs: 20_000 })
    expect([heard(asking), heard(other)]).toEqual([['created max'], ['created rex', 'created max']])
  },
)

test('with the hook and @sailshq/socket.io-redis, a Redis outage loses nothing', async () => {
  const { database, redis, run, lift } = await existingApp('@sailshq/socket.io-redis', HOOK)
  await run('install').ended
  const clients = await lift()
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
