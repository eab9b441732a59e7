import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { expect } from 'vitest'
import type { Models } from '../../src/models/model.ts'
import { readModels } from '../../src/models/model-map.ts'
import { RecentSubscriptions, recentSubscription } from '../../src/publish/socketio/recent-subscriptions.ts'
import { recordRoom } from '../../src/publish/socketio/rooms.ts'
import { socketPublisher } from '../../src/publish/socketio/socket-publisher.ts'
import { attachPubSub, type WithPubSub } from '../../src/realtime/pubsub/pubsub.ts'
import { sailsSockets } from '../../src/realtime/pubsub/sockets.ts'
import { startCode } from '../helpers/program.ts'
import { afterScope } from '../helpers/scope.ts'
import { bench } from './report/bench.ts'
import { figuresOf, median } from './report/figure.ts'
import { IS_SHORT } from './report/size.ts'

const SOCKETS = 1_000
const EMITS = 10

const ROUNDS = 23

const collection = {
  identity: 'user',
  tableName: 'user',
  primaryKey: 'id',
  datastore: 'default',
  attributes: { id: { type: 'number' }, name: { type: 'string' } },
  schema: { id: { type: 'number', columnName: 'id' }, name: { type: 'string', columnName: 'name' } },
}

/** A thousand clients of a process of their own, which throw away what they hear. */
const clients = (port: number) => `
  const { default: io } = await import('socket.io-client')
  let connected = 0
  for (let n = 0; n < ${SOCKETS}; n++) {
    const socket = io('http://127.0.0.1:${port}', { transports: ['websocket'], forceNew: true })
    socket.on('connect', () => ++connected === ${SOCKETS} && console.log('connected'))
  }`

bench.skipIf(IS_SHORT)(`a message to ${SOCKETS} sockets`, async ({ report }) => {
  const http = createServer()
  const io = new Server(http, { allowEIO3: true, transports: ['websocket'] })
  const room = recordRoom('user', 1)
  io.on('connection', socket => void socket.join(room))
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  afterScope(() => io.close())
  await startCode(clients((http.address() as AddressInfo).port)).line(/connected/)

  const models: Models = readModels({ user: collection })
  attachPubSub({ user: collection }, { io, models })
  const user = collection as unknown as WithPubSub
  const sockets = sailsSockets(io)
  const publisher = socketPublisher(io, { models })
  const changes = { id: 1, name: 'a name of some length' }
  const payload = { verb: 'updated', data: changes, id: 1 }
  const meta = { cursor: '1.2s.7x', at: Date.now() }
  const event = { verb: 'updated', identity: 'user', id: 1, changes } as const
  const ways: Record<string, () => void> = {
    'io.to().emit, bare': () => void io.to(room).emit('user', payload),
    'sockets.broadcast': () => sockets.broadcast(room, 'user', payload),
    'User.publishUpdate': () => user.publishUpdate(1, changes),
    'io.to().emit, with a second argument': () => void io.to(room).emit('user', payload, meta),
    'the publisher of a feed': () => void publisher.publish(event, meta),
  }
  const times = await measure(ways)
  rememberLists(io)
  const withLists = await measure({
    [BARE_AGAIN]: () => void io.to(room).emit('user', payload, meta),
    [WITH_LISTS]: () => void publisher.publish(event, meta),
  })
  Object.assign(times, withLists)
  const samples = Object.fromEntries(Object.entries(times).map(([way, us]) => [way, [us]]))
  report({ title: 'Processor time of a message', figures: figuresOf('us', `${SOCKETS} sockets`, samples) })
  const of = (way: string) => times[way] ?? Number.NaN
  const [bare, bareWithMeta] = [of('io.to().emit, bare'), of('io.to().emit, with a second argument')]
  expect(of('sockets.broadcast') / bare).toBeLessThan(1.1)
  expect(of('User.publishUpdate') / bare).toBeLessThan(1.1)
  expect(of('the publisher of a feed') / bareWithMeta).toBeLessThan(1.1)
  expect(of(WITH_LISTS) / of(BARE_AGAIN)).toBeLessThan(1.1)
})

const BARE_AGAIN = 'io.to().emit, with a second argument, again'
const WITH_LISTS = 'the publisher, while a list of 30 records is remembered for each socket'

function rememberLists(io: Server) {
  const recent = RecentSubscriptions.of(io)
  for (const id of io.of('/').sockets.keys()) {
    const rooms = Array.from({ length: 30 }, (_, n) => recordRoom('pet', `${id} ${n}`))
    recent.add(
      recentSubscription(id, { includes: () => true, isPublished: false, hasUnpublishedChanges: async () => true }),
      rooms,
    )
  }
}

/**
 * Processor time of this process, as other programs on the machine do not count in it. The median of rounds that take the
 * ways in turn, so that all meet the same machine.
 */
async function measure(ways: Record<string, () => void>): Promise<Record<string, number>> {
  const rounds: Record<string, number[]> = Object.fromEntries(Object.keys(ways).map(way => [way, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [way, emit] of shuffled(Object.entries(ways))) {
      const start = process.cpuUsage()
      for (let n = 0; n < EMITS; n++) {
        emit()
        // Lets the sockets write, as a server does between messages.
        await new Promise(resolve => setImmediate(resolve))
      }
      const { user, system } = process.cpuUsage(start)
      rounds[way]?.push((user + system) / EMITS)
    }
  }
  return Object.fromEntries(Object.entries(rounds).map(([way, each]) => [way, median(each.slice(3))]))
}

const shuffled = <T>(items: T[]): T[] =>
  items
    .map(item => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
