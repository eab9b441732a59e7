import type { ServerOptions } from 'socket.io'
import { expect, test } from 'vitest'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { classRoom, contextRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { type SocketPublisherOptions, socketPublisher } from '../../../src/publish/socketio/socket-publisher.ts'
import { models } from '../../integration/publish/school-models.ts'
import { socketServer } from '../../integration/realtime/socket-server.ts'

const meta = { cursor: '1.2.3', at: 1_700_000_000_000 }

async function publishing(options: Partial<SocketPublisherOptions> = {}, settings: Partial<ServerOptions> = {}) {
  const server = await socketServer(settings)
  const publisher = socketPublisher(server.io, { models, ...options })
  const publish = (event: RecordEvent, extra = {}) => publisher.publish(event, { ...meta, ...extra })
  return { ...server, publish, hasReceivers: publisher.hasReceivers }
}

const created = (id: number): RecordEvent => ({
  verb: 'created',
  identity: 'pet',
  id,
  record: { id, name: 'rex' },
  reverse: [],
})
const updated = (id: number): RecordEvent => ({
  verb: 'updated',
  identity: 'pet',
  id,
  changes: { id, name: 'max' },
})

test.each(['local', 'cluster'] as const)(
  'each event is one message to its room, with its cursor (%s)',
  async fanOut => {
    const { publish, member } = await publishing({ fanOut })
    const watcher = await member(classRoom('pet'), recordRoom('owner', 1), recordRoom('pet', 9))
    await publish({
      ...created(1),
      reverse: [{ verb: 'addedTo', identity: 'owner', id: 1, alias: 'pets', childId: 1 }],
    } as RecordEvent)
    await publish(updated(1))
    await publish({ verb: 'removedFrom', identity: 'owner', id: 1, alias: 'pets', childId: 1 })
    await publish({ verb: 'destroyed', identity: 'pet', id: 1, previous: { id: 1, name: 'max' } })
    await publish(updated(9))
    await publish(updated(8))
    const received = await watcher.received()
    expect(received.map(({ event, data }) => `${event} ${JSON.stringify(data)}`)).toEqual([
      'owner {"id":1,"verb":"addedTo","attribute":"pets","addedId":1}',
      'pet {"verb":"created","data":{"id":1,"name":"rex"},"id":1}',
      'pet {"verb":"updated","data":{"id":1,"name":"max"},"id":1}',
      'owner {"id":1,"verb":"removedFrom","attribute":"pets","removedId":1}',
      'pet {"verb":"destroyed","id":1,"previous":{"id":1,"name":"max"}}',
      'pet {"verb":"updated","data":{"id":9,"name":"max"},"id":9}',
    ])
    expect(received.map(message => message.meta)).toEqual(received.map(() => meta))
  },
)

test('watchers join the room of a new record at once, and all sockets leave the room of a destroyed one', async () => {
  const { publish, member } = await publishing()
  const watcher = await member(classRoom('pet'))
  const subscriber = await member(recordRoom('pet', 1))
  await publish(created(1))
  expect(watcher.socket.rooms).toContain(recordRoom('pet', 1))
  await publish({ verb: 'destroyed', identity: 'pet', id: 1 })
  expect(watcher.socket.rooms).not.toContain(recordRoom('pet', 1))
  expect(subscriber.socket.rooms).not.toContain(recordRoom('pet', 1))
  await publish(updated(1))
  expect((await subscriber.received()).map(({ data }) => data)).toEqual([{ verb: 'destroyed', id: 1 }])
})

test.each(['local', 'cluster'] as const)('the requesting socket is excluded (%s)', async fanOut => {
  const { publish, member } = await publishing({ fanOut })
  const [writer, other] = [await member(classRoom('pet')), await member(classRoom('pet'))]
  await publish(created(1), { origin: writer.socket.id })
  await publish(updated(1), { origin: classRoom('pet') })
  const verbs = async (who: typeof writer) => (await who.received()).map(({ data }) => data.verb)
  expect(await verbs(writer)).toEqual(['updated'])
  expect(await verbs(other)).toEqual(['created', 'updated'])
})

test.each(['local', 'cluster'] as const)('an origin that names a room excludes no socket (%s)', async fanOut => {
  const { io, publish, member } = await publishing({ fanOut })
  const watcher = await member(classRoom('pet'), 'a-room-of-20-letters')
  expect(classRoom('u')).toHaveLength(watcher.socket.id.length)
  await watcher.socket.join(classRoom('u'))
  const rooms = [classRoom('pet'), classRoom('u'), 'a-room-of-20-letters']
  for (const room of rooms) {
    await publish(created(1), { origin: room })
    await publish(created(1), { origin: `sails:a:a:a:${room}` })
  }
  expect(await watcher.received()).toHaveLength(6)
  io.in('a-room-of-20-letters').socketsLeave(rooms)
})

test('no socket is excluded if the requesting socket has disconnected', async () => {
  const { publish, member } = await publishing()
  const [gone, watcher] = [await member(classRoom('pet')), await member(classRoom('pet'))]
  gone.socket.disconnect(true)
  await watcher.socket.join(gone.socket.id)
  await publish(created(1), { origin: `sails:a:a:a:${gone.socket.id}` })
  expect(await watcher.received()).toHaveLength(1)
})

test('refetch is sent once to each socket in a room of the model', async () => {
  const { publish, member } = await publishing()
  const watcher = await member(classRoom('pet'), recordRoom('pet', 1))
  const subscriber = await member(recordRoom('pet', 2))
  const stranger = await member(classRoom('owner'), recordRoom('owner', 1))
  await publish({ verb: 'refetch', identity: 'pet', reason: 'gap' })
  const expected = [{ event: 'changefeed', data: { verb: 'refetch', identity: 'pet', reason: 'gap' }, meta }]
  expect(await watcher.received()).toEqual(expected)
  expect(await subscriber.received()).toEqual(expected)
  expect(await stranger.received()).toEqual([])
})

test('a truncate also publishes destroyed for each record with a room', async () => {
  const { publish, member } = await publishing()
  const watcher = await member(classRoom('pet'), recordRoom('pet', 1), recordRoom('owner', 1))
  await publish({ verb: 'refetch', identity: 'pet', reason: 'truncate' })
  expect((await watcher.received()).map(({ event, data }) => [event, data])).toEqual([
    ['changefeed', { verb: 'refetch', identity: 'pet', reason: 'truncate' }],
    ['pet', { verb: 'destroyed', id: 1 }],
  ])
  expect([...watcher.socket.rooms]).toEqual([watcher.socket.id, classRoom('pet'), recordRoom('owner', 1)])
})

const destroyed: RecordEvent = { verb: 'destroyed', identity: 'pet', id: 1 }
const added: RecordEvent = { verb: 'addedTo', identity: 'owner', id: 1, alias: 'pets', childId: 1 }
const announced = { ...created(1), reverse: [added] } as RecordEvent
const toLobby = { ...updated(1), rooms: ['lobby'] } as RecordEvent
const refetch: RecordEvent = { verb: 'refetch', identity: 'pet', reason: 'bulk' }
const events = [created(1), announced, updated(1), toLobby, destroyed, added, refetch]

test.each([
  ['of a record', recordRoom('pet', 1), [updated(1), toLobby, destroyed, refetch]],
  ['of another record', recordRoom('pet', 2), [refetch]],
  ['of a model', classRoom('pet'), [created(1), announced, refetch]],
  ['of a parent', recordRoom('owner', 1), [announced, added]],
  // Its members leave it with `destroyed`.
  ['of one kind of message', contextRoom('pet', 1, 'update'), [updated(1), toLobby, destroyed, refetch]],
  ['of the app', 'lobby', [toLobby]],
])('hasReceivers is true for the events that a member of a room %s receives', async (_, room, received) => {
  const { hasReceivers, member } = await publishing()
  const { socket } = await member()
  expect(events.filter(hasReceivers)).toEqual([])
  await socket.join(room)
  expect(events.filter(hasReceivers)).toEqual(received)
  // Its member may come back.
  const awaited = room === 'lobby' ? [] : received.filter(event => event !== refetch)
  await socket.leave(room)
  expect(events.filter(hasReceivers)).toEqual(awaited)
  await socket.join(room)
  socket.disconnect()
  expect(events.filter(hasReceivers)).toEqual(awaited)
})

test.each([
  ['sockets of other servers', { fanOut: 'cluster' }, {}],
  ['sockets that recover their connection', {}, { connectionStateRecovery: {} }],
] as const)('hasReceivers is true for any event with %s', async (_, options, settings) => {
  const { hasReceivers } = await publishing(options, settings)
  expect(events.every(hasReceivers)).toBe(true)
})

test("hasReceivers follows a change of the server's adapter", async () => {
  const { hasReceivers, io, member } = await publishing()
  expect(hasReceivers(refetch)).toBe(false)
  io.adapter(io.of('/').adapter.constructor as Parameters<typeof io.adapter>[0])
  await member(recordRoom('pet', 3))
  expect(hasReceivers(refetch)).toBe(true)
})
