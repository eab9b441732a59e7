import { once } from 'node:events'
import type { Socket } from 'socket.io'
import { connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { EncodedMessages } from '../../../src/publish/socketio/encoded-messages.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { socketServer } from '../../integration/realtime/socket-server.ts'

const META = { cursor: '1.1.1', at: 1, replayed: true }

/** A client of the current protocol, and the payloads and metas that it receives up to the event `end`. */
async function currentClient(port: number, transport: 'websocket' | 'polling', path = '') {
  const url = `http://127.0.0.1:${port}${path}`
  const client = connect(url, { transports: [transport], forceNew: true, reconnection: false })
  afterScope(() => client.disconnect())
  const received: unknown[][] = []
  client.on('pet', (...args) => received.push(args))
  const ended = once(client as never, 'end')
  await once(client as never, 'connect')
  return { id: client.id ?? '', received: () => ended.then(() => received) }
}

/** A record that is different each time that it is encoded. */
function changingRecord() {
  let encodings = 0
  return { toJSON: () => ({ name: `rex ${++encodings}` }) }
}

function emitToEach(sockets: readonly Socket[], payloads: readonly object[]) {
  const messages = new EncodedMessages()
  for (const socket of sockets) {
    for (const payload of payloads) messages.emit(socket, 'pet', payload, META)
    socket.emit('end')
  }
}

test('a message is encoded once for clients of all protocols and transports', async () => {
  const { io, port } = await socketServer()
  const current = [await currentClient(port, 'websocket'), await currentClient(port, 'polling')]
  const former = await connectSailsClient({ port })
  const sockets = [...current, former].flatMap(({ id }) => io.of('/').sockets.get(id) ?? [])
  emitToEach(sockets, [{ verb: 'created', data: changingRecord(), id: 1 }])
  const [first, second] = await Promise.all(current.map(({ received }) => received()))
  expect(first).toEqual([[{ verb: 'created', data: { name: expect.any(String) }, id: 1 }, META]])
  expect(second).toEqual(first)
  expect(await former.messages.next('pet')).toMatchObject({ data: first?.[0]?.[0] })
})

test.each([
  ['listeners to outgoing messages', {}, '/', (socket: Socket) => socket.onAnyOutgoing(() => {})],
  ['recovery of the connection state', { connectionStateRecovery: {} }, '/', () => {}],
  ['another namespace', {}, '/others', () => {}],
])('%s: each message is sent by socket.io itself', async (_name, options, path, prepare) => {
  const { io, port } = await socketServer(options)
  io.of(path)
  const clients = [await currentClient(port, 'websocket', path), await currentClient(port, 'websocket', path)]
  const sockets = clients.flatMap(({ id }) => io.of(path).sockets.get(id) ?? [])
  for (const socket of sockets) prepare(socket)
  emitToEach(sockets, [{ data: changingRecord() }])
  const [first, second] = await Promise.all(clients.map(({ received }) => received()))
  expect(first?.[0]?.slice(0, 2)).toEqual([{ data: { name: expect.any(String) } }, META])
  expect(second).not.toEqual(first)
})

test('messages that are not text, or long, arrive as they are', async () => {
  const { io, port } = await socketServer()
  const clients = [await currentClient(port, 'websocket'), await currentClient(port, 'websocket')]
  const sockets = clients.flatMap(({ id }) => io.of('/').sockets.get(id) ?? [])
  const payloads = [
    { id: 1, data: Buffer.from('rex') },
    { id: 2, data: 'x'.repeat(5_000) },
  ]
  emitToEach(sockets, payloads)
  for (const { received } of clients) expect((await received()).map(([payload]) => payload)).toEqual(payloads)
})
