import { once } from 'node:events'
import { connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { RoomEmitter } from '../../../src/publish/socketio/room-emitter.ts'
import { afterScope } from '../../helpers/scope.ts'
import { socketServer } from '../../integration/realtime/socket-server.ts'

const CLIENTS = 600

/** This many sockets in one room, with one connection each. */
async function crowd() {
  const server = await socketServer()
  const clients = Array.from({ length: CLIENTS }, () =>
    connect(`http://127.0.0.1:${server.port}`, { transports: ['websocket'], forceNew: true, reconnection: false }),
  )
  afterScope(() => {
    for (const client of clients) client.disconnect()
  })
  await Promise.all(clients.map(client => once(client as never, 'connect')))
  const received = clients.map(client => {
    const events: string[] = []
    client.onAny(event => events.push(event))
    return events
  })
  server.io.socketsJoin('crowd')
  return { ...server, clients, received }
}

test('a message to many sockets yields to the event loop, and later messages follow it', async () => {
  const { io, clients, received } = await crowd()
  const [writer] = clients
  const emitter = new RoomEmitter(io, 'local')
  const message = { rooms: ['crowd'], args: [{}], except: [writer?.id ?? ''] }
  let turns = 0
  let isSending = true
  const countTurns = () => {
    turns++
    if (isSending) setImmediate(countTurns)
  }
  setImmediate(countTurns)
  emitter.emit({ ...message, event: 'first' })
  emitter.emit({ ...message, event: 'second' })
  expect(emitter.pending).toBeDefined()
  await emitter.pending
  isSending = false
  expect(turns).toBeGreaterThanOrEqual(2)
  expect(emitter.pending).toBeUndefined()
  const ended = Promise.all(clients.map(client => once(client as never, 'end')))
  io.emit('end')
  await ended
  expect(received[0]).toEqual(['end'])
  for (const events of received.slice(1)) expect(events).toEqual(['first', 'second', 'end'])
})

test('the payload of a message to rooms without a local member is not read', async () => {
  const { io, member } = await socketServer()
  const emitter = new RoomEmitter(io, 'local')
  const payload = {
    get name() {
      throw new Error('The payload was serialised.')
    },
  }
  emitter.emit({ rooms: ['nobody', 'is here'], event: 'pet', args: [payload], except: [] })
  await member('somebody')
  const emit = () => emitter.emit({ rooms: ['somebody'], event: 'pet', args: [payload], except: [] })
  expect(emit).toThrow('The payload was serialised.')
})
