import { connect as connectSocket } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { eventOf } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { example, runScript } from '../docs/examples.ts'
import { feedingApp } from '../realtime/feeding-app.ts'

type App = Awaited<ReturnType<typeof feedingApp>>

/** A client that was in the room of new pets, and whose messages about pets and owners it has missed. */
async function missedSome({ database, feed, connect }: App) {
  const client = await connect()
  await client.get('/pet')
  const cursor = await feed.cursor()
  await database.query(`insert into pet (name) values ('rex'); insert into owner (name) values ('ann')`)
  await client.messages.next('pet')
  client.messages.clear()
  return { client, cursor }
}

test.each([
  ['numbers beyond those of Postgres', 'zzzzzzz.zzzzzzzzzzzzz.zzzzzzzzzzzzz', 400],
  ['the largest numbers', 'zik0zj.1y2p0ij32e8e7.1y2p0ij32e8e7', 200],
  ['a negative number', '1.-1.0', 400],
  ['digits of another script', '1.２.3', 400],
  ['a null byte', '1.1.1\u0000', 400],
  ['SQL', "1.1.1'; drop table pet; --", 400],
  ['long text', '1.'.repeat(50_000), 413],
  ['an object', { $gt: '' }, 400],
  ['a number', 1e308, 400],
  ['null', null, 400],
])('a forged cursor, %s, brings nothing', async (_name, forged, status) => {
  const app = await feedingApp()
  const { client, cursor } = await missedSome(app)
  const answer = await client.get('/changefeed/since', { cursor: forged })
  expect(answer.statusCode).toBe(status)
  if (status === 200) expect(answer.body).toMatchObject({ replayed: 0, gaps: [{ identities: ['pet'] }] })
  expect(client.messages.all.filter(({ meta }) => meta !== undefined)).toEqual([])
  expect((await client.get('/changefeed/since', { cursor })).body).toMatchObject({ replayed: 1 })
})

test('of hundreds of requests at once on one socket, one is answered, and the others are refused', async () => {
  const app = await feedingApp()
  const { client, cursor } = await missedSome(app)
  const answers = await Promise.all(Array.from({ length: 300 }, () => client.get('/changefeed/since', { cursor })))
  const statuses = new Set(answers.map(({ statusCode }) => statusCode))
  expect([...statuses].filter(status => ![200, 400, 429].includes(status))).toEqual([])
  const caughtUp = answers.filter(({ statusCode }) => statusCode === 200)
  expect(caughtUp.length).toBeGreaterThan(0)
  expect(client.messages.of('pet')).toHaveLength(caughtUp.length)
  expect(client.messages.of('owner')).toEqual([])
})

test('of hundreds of calls at once for one socket, one is served', async () => {
  const app = await feedingApp()
  const { client, cursor } = await missedSome(app)
  const socket = app.realtime.io.of('/').sockets.get(client.id)
  if (!socket) throw new Error('not connected')
  const calls = await Promise.allSettled(Array.from({ length: 300 }, () => app.feed.catchUp(socket, { cursor })))
  expect(calls.map(({ status }) => status).filter(status => status === 'fulfilled')).toHaveLength(1)
  for (const call of calls) if (call.status === 'rejected') expect(call.reason).toMatchObject({ code: 'E_USAGE' })
})

test('a socket that has left its rooms, or is disconnected, receives nothing', async () => {
  const app = await feedingApp()
  const { client, cursor } = await missedSome(app)
  const socket = app.realtime.io.of('/').sockets.get(client.id)
  if (!socket) throw new Error('not connected')
  await app.feed.unsubscribe(socket, 'pet')
  expect((await client.get('/changefeed/since', { cursor })).body).toMatchObject({ replayed: 0 })
  expect(client.messages.of('pet')).toEqual([])
  const gone = eventOf(socket, 'disconnect')
  await client.disconnect()
  await gone
  await expect(app.feed.catchUp(socket, { cursor })).rejects.toMatchObject({ code: 'E_DISCONNECTED' })
  expect(socket.rooms.size).toBe(0)
})

test('a client of a server of its own that sends anything does not end the process', async () => {
  const { feed, realtime } = await feedingApp()
  const { io } = realtime
  runScript((await example('plain-catch-up')).replace("'user'", "'pet'"), { io, feed })
  const client = connectSocket(`http://127.0.0.1:${portOf(realtime)}`, {
    transports: ['websocket'],
    query: { __sails_io_sdk_version: '1.2.1' },
  })
  afterScope(() => client.disconnect())
  await eventOf(client, 'connect')
  for (const cursor of ['x', {}, null, 7])
    expect(await client.emitWithAck('since', cursor)).toEqual({ code: 'E_USAGE' })
})

const portOf = ({ io }: App['realtime']) => (io.httpServer.address() as { port: number }).port
