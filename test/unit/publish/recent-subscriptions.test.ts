import { expect, test } from 'vitest'
import { formatCursor } from '../../../src/change-log/cursor.ts'
import { Snapshot } from '../../../src/change-log/snapshot.ts'
import type { FeedSnapshot } from '../../../src/publish/feed-snapshot.ts'
import {
  memberKey,
  type PublishedChange,
  RecentSubscriptions,
  recentSubscription,
} from '../../../src/publish/socketio/recent-subscriptions.ts'
import { RoomEmitter } from '../../../src/publish/socketio/room-emitter.ts'
import { classRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { eventually } from '../../helpers/eventually.ts'
import { socketServer } from '../../integration/realtime/socket-server.ts'

/** Transactions below 100 were over before the read, except 95, and those below 200 after it. */
const BEFORE = '95:100:95'
const AFTER = '200:200:'
const published = { upTo: '1:1:' }

function snapshot(text: string): FeedSnapshot {
  const taken = new Snapshot(text)
  return {
    includes: xid => taken.includes(xid),
    get isPublished() {
      return new Snapshot(published.upTo).covers(taken)
    },
    hasUnpublishedChanges: async () => true,
  }
}

async function joined(...rooms: string[]) {
  published.upTo = '1:1:'
  const { io, member } = await socketServer()
  const recent = RecentSubscriptions.of(io)
  const emitter = new RoomEmitter(io, 'local')
  const reader = await member('long ago')
  const subscription = recentSubscription(reader.socket.id, snapshot(BEFORE))
  await reader.socket.join(rooms)
  recent.add(subscription, rooms)
  const emit = (to: string | string[], xid: bigint | undefined, payload: object, change?: Partial<PublishedChange>) => {
    const cursor = formatCursor({ epoch: 1, tick: 2n, seq: 3n, ...(xid !== undefined && { xid }) })
    emitter.emit({ rooms: [to].flat(), event: 'pet', args: [payload], except: [], change: { cursor, ...change } })
  }
  const payloads = async () => (await reader.received()).map(({ data }) => data)
  return { io, recent, reader, subscription, emit, payloads }
}

const [pets, rex, tom] = [classRoom('pet'), recordRoom('pet', 1), recordRoom('pet', 2)]

test('a socket is left out of messages about what was committed before it read, and receives the rest', async () => {
  const { emit, payloads } = await joined(rex)
  for (const xid of [94n, 95n, 99n, 100n, 150n, undefined]) emit(rex, xid, { xid: String(xid) })
  expect(await payloads()).toEqual([{ xid: '95' }, { xid: '100' }, { xid: '150' }, { xid: 'undefined' }])
})

test('only from rooms that the request joined, or that it joined and another message goes to', async () => {
  const { emit, payloads } = await joined(rex)
  emit('long ago', 1n, { of: 'long ago' })
  emit([rex, 'long ago'], 1n, { of: 'both' })
  emit(rex, 1n, { of: 'both, one by one' }, { alsoSentTo: ['long ago'] })
  emit([rex, 'elsewhere'], 1n, { of: 'rex' })
  expect(await payloads()).toEqual([{ of: 'long ago' }, { of: 'both' }, { of: 'both, one by one' }])
})

test('of changes during the read, those are left out that the result shows', async () => {
  const { reader, subscription, emit, payloads } = await joined(pets, rex)
  const added = (addedId: number) => ({ verb: 'addedTo', attribute: 'toys', addedId })
  const removed = (removedId: number) => ({ verb: 'removedFrom', attribute: 'toys', removedId })
  emit(pets, 150n, { id: 1 }, { created: rex })
  emit(pets, 150n, { id: 2 }, { created: tom })
  emit(rex, 150n, removed(6))
  expect([...subscription.removed]).toEqual([memberKey(rex, 'toys', 6)])
  subscription.members = new Set([7, 8, 9].map(id => memberKey(rex, 'toys', id)))
  emit(rex, 150n, added(5))
  emit(rex, 150n, added(7))
  emit(rex, 99n, removed(8)) // and added again before the read
  emit(rex, 99n, added(8))
  emit(rex, 150n, removed(9))
  emit(rex, 150n, added(9))
  emit(rex, 150n, { verb: 'updated' })
  await reader.socket.leave(rex)
  emit(pets, 150n, { id: 1, again: true }, { created: rex })
  expect(await payloads()).toEqual([
    { id: 2 },
    removed(6),
    added(5),
    removed(9),
    added(9),
    { verb: 'updated' },
    { id: 1, again: true },
  ])
})

test('a socket that receives the message about a new record receives what follows; the others read later', async () => {
  const { io, recent, emit, payloads } = await joined(pets, rex)
  const change = (xid: bigint) => ({ cursor: formatCursor({ epoch: 1, tick: 2n, seq: 3n, xid }) })
  recent.introduce(pets, tom, change(99n))
  io.in(pets).socketsJoin(tom)
  emit(tom, 99n, { about: 'tom, before' })
  emit(tom, 100n, { about: 'tom, after' })
  recent.introduce(pets, rex, change(99n))
  emit(rex, 99n, { about: 'rex' })
  recent.introduce(pets, rex, change(100n))
  emit(rex, 99n, { about: 'rex, older than what was sent' })
  expect(await payloads()).toEqual([{ about: 'tom, after' }, { about: 'rex, older than what was sent' }])
})

test('nothing is remembered of a room that was left, of a closed connection, and of what has been published', async () => {
  const { recent, reader, subscription, emit, payloads } = await joined(pets, rex, tom)
  expect(recent.size).toBe(3)
  await reader.socket.leave(tom)
  recent.forgetRoom(rex)
  expect(recent.size).toBe(1)
  subscription.after = snapshot(AFTER)
  published.upTo = '150:200:150'
  await eventually(() => {
    emit(pets, 99n, { left: 'out' }) // what is published is forgotten while messages are sent
    published.upTo = AFTER
    expect(recent.isEmpty).toBe(true)
  })
  expect((await payloads()).length).toBeLessThan(2)
  recent.add(subscription, [pets])
  await reader.client.disconnect()
  await eventually(() => expect(recent.isEmpty).toBe(true))
})

test('the number of remembered rooms is limited', async () => {
  const { recent } = await joined(rex)
  for (let n = 0; n < 3; n++) {
    const rooms = Array.from({ length: 40_000 }, (_, room) => `${n} ${room}`)
    recent.add(recentSubscription(`socket ${n}`, snapshot(BEFORE)), rooms)
  }
  expect(recent.size).toBe(80_000)
})

test('forgetting a socket looks at its own subscriptions only', async () => {
  const { recent, subscription } = await joined(rex)
  let looks = 0
  const others = Array.from({ length: 1_000 }, (_, n) => ({
    ...recentSubscription('', snapshot(BEFORE)),
    get socketId() {
      looks++
      return `socket ${n}`
    },
  }))
  for (const [n, other] of others.entries()) recent.add(other, [`room ${n}`])
  looks = 0
  recent.forgetSocket(subscription.socketId)
  expect([recent.size, looks]).toEqual([1_000, 0])
})
