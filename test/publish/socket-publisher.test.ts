import { expect, test } from 'vitest'
import type { PublishCall } from '../../src/publish/call.ts'
import { classRoom, recordRoom } from '../../src/publish/rooms.ts'
import { type SocketPublisherOptions, socketPublisher } from '../../src/publish/socket-publisher.ts'
import { listen } from '../realtime/sails-client.ts'
import { received, socketServer } from '../realtime/socket-server.ts'
import { models } from './school-models.ts'

const meta = { cursor: '1.2.3', at: 1_700_000_000_000 }

async function publishing(options: Partial<SocketPublisherOptions> = {}) {
  const server = await socketServer()
  const publisher = socketPublisher(server.io, { models, ...options })
  const publish = (call: PublishCall, extra = {}) => publisher.publish(call, { ...meta, ...extra })
  /** A client in these rooms, and what it hears. */
  const member = async (...rooms: string[]) => {
    const { client, socket } = await server.connect()
    await socket.join(rooms)
    const heard = listen(client, 'pet', 'owner', 'changefeed')
    const messages = async () => {
      await received(server.io, client)
      return heard
    }
    return { client, socket, messages }
  }
  return { ...server, publish, member }
}

const created = (id: number): PublishCall => ({
  fn: 'publishCreate',
  identity: 'pet',
  id,
  record: { id, name: 'rex' },
  reverse: [],
})
const updated = (id: number): PublishCall => ({
  fn: 'publishUpdate',
  identity: 'pet',
  id,
  changes: { id, name: 'max' },
})

test.each(['local', 'cluster'] as const)(
  'each call is one message to its room, with its place in the feed (%s)',
  async scope => {
    const { publish, member } = await publishing({ scope })
    const watcher = await member(classRoom('pet'), recordRoom('owner', 1), recordRoom('pet', 9))
    publish({
      ...created(1),
      reverse: [{ fn: 'publishAdd', identity: 'owner', id: 1, alias: 'pets', childId: 1 }],
    } as PublishCall)
    publish(updated(1))
    publish({ fn: 'publishRemove', identity: 'owner', id: 1, alias: 'pets', childId: 1 })
    publish({ fn: 'publishDestroy', identity: 'pet', id: 1, previous: { id: 1, name: 'max' } })
    publish(updated(9))
    publish(updated(8))
    const heard = await watcher.messages()
    expect(heard.map(([event, payload]) => `${event} ${JSON.stringify(payload)}`)).toEqual([
      'owner {"id":1,"verb":"addedTo","attribute":"pets","addedId":1}',
      'pet {"verb":"created","data":{"id":1,"name":"rex"},"id":1}',
      'pet {"verb":"updated","data":{"id":1,"name":"max"},"id":1}',
      'owner {"id":1,"verb":"removedFrom","attribute":"pets","removedId":1}',
      'pet {"verb":"destroyed","id":1,"previous":{"id":1,"name":"max"}}',
      'pet {"verb":"updated","data":{"id":9,"name":"max"},"id":9}',
    ])
    expect(heard.map(([, , second]) => second)).toEqual(heard.map(() => meta))
  },
)

test('watchers are in the room of a new record at once, and everyone leaves that of a destroyed one', async () => {
  const { publish, member } = await publishing()
  const watcher = await member(classRoom('pet'))
  const subscriber = await member(recordRoom('pet', 1))
  publish(created(1))
  expect(watcher.socket.rooms).toContain(recordRoom('pet', 1))
  publish({ fn: 'publishDestroy', identity: 'pet', id: 1 })
  expect(watcher.socket.rooms).not.toContain(recordRoom('pet', 1))
  expect(subscriber.socket.rooms).not.toContain(recordRoom('pet', 1))
  publish(updated(1))
  expect((await subscriber.messages()).map(([, payload]) => payload)).toEqual([{ verb: 'destroyed', id: 1 }])
})

test.each(['local', 'cluster'] as const)('the socket that a write came from is left out (%s)', async scope => {
  const { publish, member } = await publishing({ scope })
  const [writer, other] = [await member(classRoom('pet')), await member(classRoom('pet'))]
  publish(created(1), { origin: writer.socket.id })
  publish(updated(1), { origin: classRoom('pet') })
  const verbs = async (who: typeof writer) =>
    (await who.messages()).map(([, payload]) => (payload as { verb: string }).verb)
  expect(await verbs(writer)).toEqual(['updated'])
  expect(await verbs(other)).toEqual(['created', 'updated'])
})

test('an origin can stand for several sockets', async () => {
  const { publish, member } = await publishing({ exceptSocketIds: () => [one.socket.id, two.socket.id] })
  const [one, two, three] = [
    await member(classRoom('pet')),
    await member(classRoom('pet')),
    await member(classRoom('pet')),
  ]
  publish(created(1), { origin: 'a tab' })
  expect([(await one.messages()).length, (await two.messages()).length, (await three.messages()).length]).toEqual([
    0, 0, 1,
  ])
})

test('everyone who knows a model is told to read it again, once', async () => {
  const { publish, member } = await publishing()
  const watcher = await member(classRoom('pet'), recordRoom('pet', 1))
  const subscriber = await member(recordRoom('pet', 2))
  const stranger = await member(classRoom('owner'), recordRoom('owner', 1))
  publish({ fn: 'refetch', identity: 'pet', reason: 'gap' })
  const expected = [['changefeed', { verb: 'refetch', identity: 'pet', reason: 'gap' }, meta]]
  expect(await watcher.messages()).toEqual(expected)
  expect(await subscriber.messages()).toEqual(expected)
  expect(await stranger.messages()).toEqual([])
})

test('after a truncate each known record is destroyed as well', async () => {
  const { publish, member } = await publishing()
  const watcher = await member(classRoom('pet'), recordRoom('pet', 1), recordRoom('owner', 1))
  publish({ fn: 'refetch', identity: 'pet', reason: 'truncate' })
  expect((await watcher.messages()).map(([event, payload]) => [event, payload])).toEqual([
    ['changefeed', { verb: 'refetch', identity: 'pet', reason: 'truncate' }],
    ['pet', { verb: 'destroyed', id: 1 }],
  ])
  expect([...watcher.socket.rooms]).toEqual([watcher.socket.id, classRoom('pet'), recordRoom('owner', 1)])
})
