import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { eventually } from '../../helpers/eventually.ts'
import { startRedis } from '../../helpers/redis.ts'
import { liftApp } from '../sails/fixture.ts'
import { commonJs, example, runAsync } from './examples.ts'

const require = createRequire(import.meta.url)
const name = { type: 'string' }

test('settings, models, rooms, handlers and calls in a Sails app', async () => {
  const definitions = {
    user: commonJs(await example('sails-model')),
    task: commonJs(await example('rooms-model')),
    board: { attributes: { name } },
    log: { attributes: { name } },
  }
  const { changefeed } = commonJs(await example('sails-config'))
  const { app, database, connect, settled } = await liftApp({ config: { definitions }, changefeed })
  expect(app.hooks.changefeed.status().models.sort()).toEqual(['board', 'task', 'user'])

  const indexed: object[] = []
  const updateIndex = async (record: object) => indexed.push(record)
  const hook = commonJs(await example('hook'), { updateIndex })
  hook(app).configure()
  await runAsync(await example('sails-code'), { sails: app })

  const client = await connect()
  await client.get('/user')
  for (const socket of app.io.of('/').sockets.values()) await socket.join(['board 1', 'boards'])
  await database.query(`insert into "user" (name, phone, "createdAt", "updatedAt") values ('ann', '123', 1, 1)`)
  await database.query(`insert into task (id, title, board) values (7, 'rest', 1)`)
  await database.query(`update task set title = 'work', board = 2`)
  await database.query('alter table task disable trigger user')
  await app.hooks.changefeed.install() // what was written before is not known
  await settled(client)
  const created = client.messages.all.filter(({ data }) => data.verb === 'created').map(({ data }) => data.data)
  expect(created).toEqual([expect.objectContaining({ name: 'ann' }), expect.objectContaining({ id: 7, title: 'rest' })])
  expect(created[0]).not.toHaveProperty('phone')
  expect(indexed).toEqual([expect.objectContaining({ id: 7, title: 'work' })])
  const { data } = await client.messages.next('read again')
  expect(data.identities).toContain('task')
})

test('a hook beside a listener process', async () => {
  const { changefeed } = commonJs(await example('separate'))
  const { app } = await liftApp({ changefeed })
  expect(app.hooks.changefeed.status().state).toBe('separate')
})

test('an adapter of several processes', async () => {
  const { sockets } = commonJs(await example('sails-sockets'))
  const adapterModule = require(sockets.adapter) // Sails looks in the folder of the app
  const { url } = await startRedis()
  const { app, database, connect } = await liftApp({ more: { sockets: { ...sockets, adapterModule, url } } })
  const client = await connect()
  await client.get('/owner')
  await eventually(() => expect(app.hooks.changefeed.status().feeds[0].role).toBe('leader'))
  await database.query(`insert into owner (name) values ('ann')`)
  expect((await client.messages.next('owner')).data).toMatchObject({ verb: 'created', data: { name: 'ann' } })
})
