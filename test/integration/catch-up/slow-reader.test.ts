import type { AddressInfo } from 'node:net'
import { connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { bufferedBytes } from '../../../src/publish/socketio/connection.ts'
import { eventOf, eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { feedingApp } from '../realtime/feeding-app.ts'

/** Each in a tick of its own. The missed ones fill more than the operating system buffers, the later ones all of the memory. */
const [MISSED, LATER, BYTES] = [160, 320, 120_000]

test('a slow client whose messages leave the memory meanwhile receives the rest from the log', async () => {
  const { database, feed, realtime } = await feedingApp(undefined, { catchUp: { maxBytes: 100 * 2 ** 20 } })
  const { port } = realtime.io.httpServer.address() as AddressInfo
  const client = connect(`http://127.0.0.1:${port}`, {
    transports: ['websocket'],
    query: { __sails_io_sdk_version: '1.2.1' },
  })
  afterScope(() => client.disconnect())
  const received: { id: number; cursor: string }[] = []
  client.on('pet', ({ id }, { cursor }) => received.push({ id, cursor }))
  await eventOf(client, 'connect')
  await client.emitWithAck('get', { url: '/pet?limit=1' })
  const socket = realtime.io.of('/').sockets.get(client.id ?? '')
  if (!socket) throw new Error('not connected')
  const { ws } = client.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } }
  const write = async (first: number, count: number) => {
    for (let id = first; id < first + count; id++) {
      await database.query(`insert into pet (id, name) values (${id}, repeat('x', ${BYTES}))`)
      await feed.settled()
    }
  }
  const cursor = await feed.cursor()
  await write(1, MISSED)
  await eventually(() => expect(received).toHaveLength(MISSED))
  received.length = 0
  let ranges = 0
  feed.on('rangeRead', () => ranges++)
  ws.pause()
  const answer = feed.catchUp(socket, { cursor })
  await eventually(() => expect(bufferedBytes(socket.conn)).toBeGreaterThan(2 ** 20))
  await write(1 + MISSED, LATER)
  expect(ranges).toBe(0)
  ws.resume()
  expect((await answer).gaps).toBeUndefined()
  expect(ranges).toBeGreaterThan(0)
  await eventually(() => expect(received.at(-1)?.id).toBe(MISSED + LATER))
  const ids = [...new Set(received.map(({ id }) => id))]
  expect(ids).toEqual(Array.from({ length: MISSED + LATER }, (_, index) => index + 1))
  // The change at which it was overtaken may come again.
  expect(received.length - new Set(received.map(({ cursor: each }) => each)).size).toBeLessThan(5)
}, 120_000)
