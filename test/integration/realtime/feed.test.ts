import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { createChangefeed } from '../../../src/changefeed.ts'
import { classRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { createRealtime } from '../../../src/realtime/realtime.ts'
import { testDatabase } from '../../helpers/database.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { feedingApp } from './feeding-app.ts'
import { definitions, realtimeApp } from './realtime-app.ts'

test('a socket that has read a list receives each later committed write of any origin once', async () => {
  const { database, collections, feed, connect } = await feedingApp()
  await database.query(`insert into owner (name) values ('ann'), ('bob')`)
  await feed.settled()
  const [reader, writer] = [await connect(), await connect()]
  const { body, headers } = await reader.get('/owner')
  expect(body).toHaveLength(2)
  expect(headers['changefeed-cursor']).toMatch(/^\w+\.\w+\.\w+$/)

  await database.query(`insert into pet (name, owner) values ('rex', 1)`)
  await writer.patch('/owner/2', { name: 'bobby' })
  await collections.owner.destroyOne({ id: 1 })
  await feed.settled()
  await reader.messages.next('pet', ({ data }) => data.verb === 'updated')
  expect(reader.messages.all.map(({ event, data }) => `${event} ${data.verb} ${data.id}`)).toEqual([
    'owner addedTo 1',
    'pet created 1',
    'owner updated 2',
    'owner destroyed 1',
    'pet updated 1',
  ])
  expect(reader.messages.all.every(({ meta }) => typeof meta.cursor === 'string')).toBe(true)
})

test("an app's own publishCreate sends nothing for models of the feed", async () => {
  const { collections, feed, connect } = await feedingApp()
  const reader = await connect()
  await reader.get('/owner')
  collections.owner.publishCreate(await collections.owner.create({ name: 'ann' }).fetch())
  await feed.settled()
  await reader.messages.next('owner')
  collections.owner.message(1, 'last')
  await reader.messages.next('owner', ({ data }) => data.data === 'last')
  expect(reader.messages.all.map(({ data }) => data.verb)).toEqual(['created', 'messaged'])
})

test('the app still publishes models that are not part of the feed', async () => {
  const { collections, feed, connect } = await feedingApp(['pet'])
  const [reader, writer] = [await connect(), await connect()]
  await reader.get('/owner')
  await writer.post('/owner', { name: 'ann' })
  collections.owner.publishUpdate(1, { name: 'eve' })
  await feed.settled()
  expect(await reader.messages.count('owner', 2)).toMatchObject([
    { data: { verb: 'created' } },
    { data: { verb: 'updated' } },
  ])
})

test('if the feed is not running, lists are read without a cursor', async () => {
  const { feed, connect } = await feedingApp()
  await feed.stop()
  const { statusCode, headers } = await (await connect()).get('/owner')
  expect(statusCode).toBe(200)
  expect(headers).not.toHaveProperty('changefeed-cursor')
})

test('the feed does not publish omitted attributes', async () => {
  const database = await testDatabase()
  const { connectionString } = database
  const { collections } = await startWaterline({ connectionString, models: definitions, migrate: 'drop' })
  const access = { account: { omit: ['note'] } }
  const [server, io] = [createServer(), new Server(createServer(), { allowEIO3: true })]
  const careless = createChangefeed({ connectionString, collections, io })
  expect(() => createRealtime({ io, collections, feed: careless, models: access })).toThrow(
    expect.objectContaining({ code: 'E_OPTIONS', message: expect.stringContaining("account: { omit: ['note'] }") }),
  )
  const careful = createChangefeed({ connectionString, collections, io, models: access })
  createRealtime({ io, collections, feed: careful, models: access })

  const realtime = createRealtime({ server, collections, models: access })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterScope(() => realtime.close())
  const feed = createChangefeed({ connectionString, collections, publisher: realtime.publisher })
  await feed.install()
  await feed.start()
  afterScope(() => feed.stop())
  const reader = await connectSailsClient({ port: (server.address() as AddressInfo).port })
  await reader.get('/account')
  await database.query(`insert into account (email, note_col) values ('a@b.c', 'hush')`)
  await database.query(`update account set note_col = 'hush hush'`)
  await database.query('delete from account')
  await reader.messages.count('account', 3)
  expect(JSON.stringify(reader.messages.all)).not.toContain('hush')
})

test('the feed does not publish omitted attributes in populated records or by column name', async () => {
  const { realtime, connect } = await realtimeApp({
    models: { owner: true, pet: { omit: ['age'] }, account: { omit: ['note'] } },
  })
  const client = await connect()
  for (const room of [classRoom('owner'), recordRoom('account', 1)]) await realtime.sockets.join(client.id, room)
  const meta = { cursor: 'c', at: 1 }
  const record = { id: 1, pets: [{ id: 2, name: 'rex', age: 3 }] }
  await realtime.publisher.publish({ verb: 'created', identity: 'owner', id: 1, record, reverse: [] }, meta)
  const changes = { id: 1, note: 'n', note_col: 'n' }
  await realtime.publisher.publish({ verb: 'updated', identity: 'account', id: 1, changes }, meta)
  expect(await client.received()).toEqual([
    'owner {"verb":"created","data":{"id":1,"pets":[{"id":2,"name":"rex"}]},"id":1}',
    'account {"verb":"updated","data":{"id":1},"id":1}',
  ])
})
