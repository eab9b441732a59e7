import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdapter } from '@socket.io/redis-adapter'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { classRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { socketPublisher } from '../../../src/publish/socketio/socket-publisher.ts'
import { attachPubSub, type WithPubSub } from '../../../src/realtime/pubsub/pubsub.ts'
import { sailsSockets } from '../../../src/realtime/pubsub/sockets.ts'
import { beforeAllWith } from '../../helpers/need.ts'
import { startRedis } from '../../helpers/redis.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { models } from '../publish/school-models.ts'

let redisUrl: string
beforeAllWith('redis', async () => {
  redisUrl = (await startRedis()).url
})

/** One of several app servers that share a Redis, with its own client. */
async function node() {
  const http = createServer()
  const io = new Server(http, { allowEIO3: true })
  const [pub, sub] = [createClient({ url: redisUrl }), createClient({ url: redisUrl })]
  await Promise.all([pub.connect(), sub.connect()])
  io.adapter(createAdapter(pub, sub, { key: expect.getState().currentTestName ?? '' }))
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  afterScope(async () => {
    await io.close()
    await Promise.all([pub.quit(), sub.quit()])
  })
  const pet = { identity: 'pet' } as unknown as WithPubSub
  attachPubSub({ pet }, { io, models })
  const client = await connectSailsClient({ port: (http.address() as AddressInfo).port })
  const socket = io.of('/').sockets.get(client.id)
  if (!socket) throw new Error('The server has no socket of this client')
  return {
    io,
    client,
    socket,
    pet,
    sockets: sailsSockets(io),
    publisher: socketPublisher(io, { models, fanOut: 'cluster' }),
  }
}

test('sockets of another server join, leave and receive messages, by id and by room', async () => {
  const [here, there] = [await node(), await node()]
  await here.sockets.join(there.client.id, 'fun')
  await expect.poll(() => [...there.socket.rooms]).toContain('fun')
  await here.sockets.join('fun', 'more')
  await expect.poll(() => [...there.socket.rooms]).toContain('more')
  await here.sockets.leave('fun', 'more')
  await expect.poll(() => [...there.socket.rooms]).not.toContain('more')
  await here.sockets.addRoomMembersToRooms('fun', ['a', 'b'])
  await expect.poll(() => [...there.socket.rooms]).toEqual([there.client.id, 'fun', 'a', 'b'])
  here.sockets.broadcast(['fun', 'a'], 'hello', 1)
  here.sockets.blast('all', 2, there.socket)
  here.sockets.broadcast('fun', 'last', 3)
  await there.client.messages.next('last')
  expect(there.client.messages.all.map(({ event }) => event)).toEqual(['hello', 'last'])
  await here.client.messages.next('all')
  await here.sockets.leaveAll('fun')
  await expect.poll(() => [...there.socket.rooms]).toEqual([there.client.id])
})

test('a record that is created and updated at once reaches the watchers of all servers once', async () => {
  const [here, there] = [await node(), await node()]
  const meta = { cursor: 'c', at: 1 }
  for (const { socket } of [here, there]) await socket.join(classRoom('pet'))
  const of = { identity: 'pet', id: 1 } as const
  await here.publisher.publish({ verb: 'created', ...of, record: { id: 1 }, reverse: [] }, meta)
  await here.publisher.publish({ verb: 'updated', ...of, changes: { id: 1 } }, meta)
  here.pet.publishCreate({ id: 2 })
  here.pet.publishUpdate(2, { name: 'x' })
  await here.publisher.publish({ verb: 'destroyed', ...of }, meta)
  here.pet.publishDestroy(2)
  await here.publisher.publish({ verb: 'updated', ...of, changes: { id: 1 } }, meta)
  here.sockets.blast('last', 0)
  for (const { client, socket } of [here, there]) {
    await client.messages.next('last')
    const received = client.messages.of('pet').map(({ data }) => `${data.verb} ${data.id}`)
    expect(received).toEqual(['created 1', 'updated 1', 'created 2', 'updated 2', 'destroyed 1', 'destroyed 2'])
    expect([...socket.rooms]).toEqual([client.id, classRoom('pet')])
  }
})

test('a requesting socket of another server is excluded', async () => {
  const [here, there] = [await node(), await node()]
  for (const { socket } of [here, there]) await socket.join(recordRoom('pet', 1))
  const event = { verb: 'updated', identity: 'pet', id: 1, changes: { id: 1 } } as const
  await here.publisher.publish(event, { cursor: 'c', at: 1, origin: there.client.id })
  here.sockets.blast('last', 0)
  await Promise.all([here, there].map(({ client }) => client.messages.next('last')))
  expect([here.client.messages.of('pet').length, there.client.messages.of('pet').length]).toEqual([1, 0])
})
