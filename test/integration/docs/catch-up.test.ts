import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { connect as connectSocket } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { createChangefeed } from '../../../src/changefeed.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openShop } from '../feed/fixture.ts'
import { feedingApp } from '../realtime/feeding-app.ts'
import { example, runScript } from './examples.ts'

test('a client of sails.io.js announces itself, subscribes again and asks for what it missed', async () => {
  const sails = { query: '' }
  runScript(await example('announce'), { io: { sails } })
  const { database, feed, connect } = await feedingApp()
  const client = await connect({ query: sails.query })
  await client.get('/changefeed/since')
  const cursor = await feed.cursor()
  await client.disconnect()
  await database.query(`insert into owner (name) values ('ann')`)
  await feed.settled()
  await client.reconnect()
  const code = (await example('since')).replaceAll('/user', '/owner')
  runScript(code, { io: { socket: client.socket }, cursor })
  expect(await client.messages.next('owner')).toMatchObject({
    data: { verb: 'created', id: 1 },
    meta: { replayed: true },
  })
})

test('a server of its own calls the feed', async () => {
  const shop = await openShop()
  const { database, collections } = shop
  const { connectionString } = database
  const http = createServer()
  const io = new Server(http)
  afterScope(() => io.close())
  const feed = createChangefeed({ connectionString, collections, io })
  afterScope(() => feed.stop())
  await feed.install()
  await feed.start()
  runScript(await example('plain-catch-up'), { io, feed })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const cursor = await feed.cursor()
  await database.query(`insert into "user" (id, name) values (1, 'ann')`)
  await feed.settled()
  const client = connectSocket(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, {
    transports: ['websocket'],
  })
  afterScope(() => client.disconnect())
  const received: unknown[] = []
  client.on('user', (...args: unknown[]) => received.push(args))
  expect(await client.emitWithAck('since', cursor)).toMatchObject({ replayed: 1 })
  expect(received).toMatchObject([[{ verb: 'created', id: 1 }, { replayed: true }]])
})

test('a policy names the models whose missed messages a socket receives; of the others it receives a gap', async () => {
  const { catchUp } = runScript(await example('catch-up-policy'), {}, '{ catchUp }') as { catchUp: object }
  const { database, feed, realtime, connect } = await feedingApp(undefined, { catchUp })
  const client = await connect()
  await client.get('/pet')
  const cursor = await feed.cursor()
  await database.query(`insert into pet (name) values ('rex'); insert into owner (name) values ('ann')`)
  await client.messages.next('pet')
  client.messages.clear()
  await client.get('/owner')
  const socket = realtime.io.of('/').sockets.get(client.id)
  if (!socket) throw new Error('not connected')
  socket.data.allowedToday = true
  expect((await client.get('/changefeed/since', { cursor })).body).toMatchObject({
    replayed: 1,
    gaps: [{ reason: 'refused', identities: ['pet'] }],
  })
  expect([client.messages.of('owner'), client.messages.of('pet')]).toMatchObject([[{ data: { verb: 'created' } }], []])
  await database.query('delete from pet')
  await client.messages.next('pet', ({ data }) => data.verb === 'destroyed')
})
