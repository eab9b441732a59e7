import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { beforeEach, expect, test } from 'vitest'
import { eventually } from './eventually.ts'
import { connectSailsClient } from './sails-client.ts'
import { afterScope } from './scope.ts'

let server: Server
let port: number
beforeEach(async () => {
  const http = createServer()
  server = new Server(http, { allowEIO3: true })
  server.on('connection', socket =>
    socket.on('get', (request, answer) => answer({ body: request.url, statusCode: 200 })),
  )
  afterScope(() => server.close())
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  port = (http.address() as AddressInfo).port
})

test('several clients at once, each with its own socket and messages, in order, with the second argument', async () => {
  const [ann, bob] = await Promise.all([connectSailsClient({ port }), connectSailsClient({ port })])
  expect(ann.id).not.toBe(bob.id)
  server.to(ann.id).emit('user', { verb: 'created', id: 1 }, { cursor: 'a' })
  server.emit('user', { verb: 'updated', id: 1 })
  expect(await ann.messages.next('user', ({ data }) => data.verb === 'updated')).toMatchObject({ data: { id: 1 } })
  expect(await ann.messages.next('user')).toEqual({
    event: 'user',
    data: { verb: 'created', id: 1 },
    meta: { cursor: 'a' },
  })
  expect(await bob.messages.count('user', 1)).toHaveLength(1)
  await expect(ann.messages.next('user', () => true, 50)).rejects.toThrow(
    'no such user message within 50 ms; there were 2',
  )
})

test('requests are answered; after a reconnect messages are still recorded, under a new id', async () => {
  const client = await connectSailsClient({ port })
  expect(await client.get('/user')).toMatchObject({ body: '/user', statusCode: 200 })
  const { id } = client
  await client.disconnect()
  await eventually(() => expect(server.sockets.sockets.size).toBe(0))
  await client.reconnect()
  expect(client.id).not.toBe(id)
  server.emit('user', { verb: 'destroyed' })
  await client.messages.next('user')
  expect(client.messages.all).toHaveLength(1)
})
