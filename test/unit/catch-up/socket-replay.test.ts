import { expect, test } from 'vitest'
import { SocketReplay } from '../../../src/catch-up/socket-replay.ts'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { classRoom, contextRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { sentEvent } from '../../../src/publish/socketio/sent-event.ts'
import { models } from '../../integration/publish/school-models.ts'

const META = { cursor: '1.1.1', at: 5 }
const created = (id: number): RecordEvent => ({
  verb: 'created',
  identity: 'pet',
  id,
  record: { id, name: 'rex' },
  reverse: [],
})
const updated = (id: number): RecordEvent => ({ verb: 'updated', identity: 'pet', id, changes: { id, name: 'tom' } })
const destroyed = (id: number): RecordEvent => ({
  verb: 'destroyed',
  identity: 'pet',
  id,
  previous: { id, name: 'tom' },
})

/** What a socket in these rooms receives of the events, and the rooms that it is in afterwards. */
function replayed(rooms: readonly string[], events: readonly RecordEvent[], origin?: string) {
  const [own, received] = [new Set(['me', ...rooms]), [] as unknown[]]
  const socket = {
    id: 'me',
    rooms: own,
    join: (room: string) => own.add(room),
    leave: (room: string) => own.delete(room),
  }
  const replay = new SocketReplay(socket, { emit: (...args) => received.push(args), isLeftOut: () => false })
  const leftOut = (name?: string) => (name === undefined ? [] : [name])
  const meta = { ...META, ...(origin && { origin }) }
  for (const event of events) replay.send(sentEvent(event, meta, { models, leftOut }))
  expect(replay.messages).toBe(received.length)
  return { received, verbs: received.map(verbOf), rooms: [...own].filter(room => room !== 'me') }
}

const verbOf = (args: unknown) => {
  const [event, { verb, id }] = args as [string, { verb: string; id?: number }]
  return [event, verb, id].filter(part => part !== undefined).join(' ')
}

test('a message has the payload of the live one, and is marked', () => {
  const { received } = replayed([recordRoom('pet', 1)], [updated(1)])
  expect(received).toEqual([
    ['pet', { verb: 'updated', data: { id: 1, name: 'tom' }, id: 1 }, { cursor: '1.1.1', at: 5, replayed: true }],
  ])
})

test.each([
  ['no room', [], [created(1), updated(1)], [], []],
  ['another record', [recordRoom('pet', 2)], [updated(1)], [], [recordRoom('pet', 2)]],
  [
    'the class room: it joins a new record',
    [classRoom('pet')],
    [created(1), updated(1)],
    ['pet created 1', 'pet updated 1'],
    [classRoom('pet'), recordRoom('pet', 1)],
  ],
  [
    'the class room, for a record created and destroyed meanwhile',
    [classRoom('pet')],
    [created(1), destroyed(1)],
    ['pet created 1', 'pet destroyed 1'],
    [classRoom('pet')],
  ],
  [
    'the class room, for an earlier record whose room it could not join again',
    [classRoom('pet')],
    [updated(1), destroyed(1)],
    ['pet destroyed 1'],
    [classRoom('pet')],
  ],
  ['the record alone: it leaves', [recordRoom('pet', 1)], [destroyed(1), updated(1)], ['pet destroyed 1'], []],
  [
    'a context of the record: it leaves',
    [contextRoom('pet', 1, 'update')],
    [updated(1), destroyed(1), updated(1)],
    ['pet updated 1'],
    [],
  ],
] as const)('in %s', (_name, rooms, events, verbs, after) => {
  const result = replayed(rooms, events)
  expect(result.verbs).toEqual(verbs)
  expect(result.rooms).toEqual(after)
})

test('the end of a record that the socket could not subscribe to again contains only its id', () => {
  expect(replayed([classRoom('pet')], [destroyed(1)]).received).toEqual([
    ['pet', { verb: 'destroyed', id: 1 }, { ...META, replayed: true }],
  ])
  expect(replayed([recordRoom('pet', 1)], [destroyed(1)]).received).toMatchObject([
    ['pet', { previous: { id: 1 } }, {}],
  ])
})

test('the origin receives no message, but joins and leaves rooms', () => {
  const { received, rooms } = replayed([classRoom('pet'), recordRoom('pet', 1)], [created(2), destroyed(1)], 'me')
  expect(received).toEqual([])
  expect(rooms).toEqual([classRoom('pet'), recordRoom('pet', 2)])
  expect(replayed([classRoom('pet')], [created(2)], 'other').verbs).toEqual(['pet created 2'])
})

test.each([
  [[recordRoom('pet', 1)], ['changefeed refetch']],
  [[classRoom('pet')], ['changefeed refetch']],
  [[recordRoom('owner', 1)], []],
])('`refetch` goes to a socket in any room of the model: %j', (rooms, verbs) => {
  expect(replayed(rooms, [{ verb: 'refetch', identity: 'pet', reason: 'bulk' }]).verbs).toEqual(verbs)
})
