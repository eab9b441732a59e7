import { expect, test } from 'vitest'
import type { Message } from '../../../src/client/message.ts'
import { repeats, takeCopy } from '../../../src/client/repeats.ts'

const live = (cursor: string, payload: object): Message => ['user', { verb: 'updated', ...payload }, { cursor }]
const replayed = (cursor: string, payload: object): Message => {
  const [event, content] = live(cursor, payload)
  return [event, content, { cursor, replayed: true }]
}
/** Of a blueprint. */
const own = (payload: object): Message => ['user', { verb: 'updated', ...payload }]

test('a message is a repeat if its cursor, event, verb, id and member are those of an earlier one', () => {
  const isRepeat = repeats()
  const first = { id: 1, data: { name: 'ann', id: 1 } }
  expect(isRepeat(live('1.1.1', first))).toBe(false)
  expect(isRepeat(replayed('1.1.1', { ...first, previous: { id: 1 } }))).toBe(true)
  const others: Message[] = [
    live('1.1.2', first),
    live('1.1.1', { id: 2 }),
    live('1.1.1', { id: 1, verb: 'destroyed' }),
    live('1.1.1', { id: 1, verb: 'addedTo', attribute: 'pets', addedId: 1 }),
    live('1.1.1', { id: 1, verb: 'addedTo', attribute: 'pets', addedId: 2 }),
    live('1.1.1', { id: 1, verb: 'removedFrom', attribute: 'pets', removedId: 2 }),
    ['pet', { verb: 'updated', id: 1 }, { cursor: '1.1.1' }],
    ['changefeed', { verb: 'refetch', identity: 'user' }, { cursor: '1.1.1' }],
    ['changefeed', { verb: 'refetch', identity: 'pet' }, { cursor: '1.1.1' }],
  ]
  expect(others.map(isRepeat)).toEqual(others.map(() => false))
  expect(others.map(isRepeat)).toEqual(others.map(() => true))
})

test('memory is bounded: the oldest messages are forgotten', () => {
  const isRepeat = repeats()
  for (let seq = 0; seq <= 10_000; seq++) isRepeat(live(`1.1.${seq}`, { id: 1 }))
  expect(isRepeat(live('1.1.1', { id: 1 }))).toBe(true)
  expect(isRepeat(live('1.1.0', { id: 1 }))).toBe(false)
})

test('a message of the app itself has no cursor, and is never a repeat', () => {
  const isRepeat = repeats()
  expect([own({ id: 1 }), own({ id: 1 })].map(isRepeat)).toEqual([false, false])
})

test('a replayed message is a repeat of a message of the app, once', () => {
  const isRepeat = repeats()
  isRepeat(own({ verb: 'created', id: 1, data: { id: 1, pets: [] } }))
  const [first, second] = ['1.1.1', '1.1.2'].map(cursor =>
    replayed(cursor, { verb: 'created', id: 1, data: { id: 1 } }),
  )
  expect([first, second].map(message => message && isRepeat(message))).toEqual([true, false])
})

test('an update of the app is a copy only if it contains every value of the update of the feed', () => {
  const isRepeat = repeats()
  isRepeat(own({ id: 1, data: { name: 'ann', age: 3, updatedAt: 5 }, previous: {} }))
  expect(isRepeat(replayed('1.1.1', { id: 1, data: { name: 'eve' } }))).toBe(false)
  expect(isRepeat(replayed('1.1.2', { id: 1, data: { name: 'ann', city: 'Bonn' } }))).toBe(false)
  expect(isRepeat(replayed('1.1.3', { id: 2, data: { name: 'ann' } }))).toBe(false)
  expect(isRepeat(replayed('1.1.4', { id: 1, data: { age: 3, updatedAt: 5 } }))).toBe(true)
})

test('messages of the app before a message with a cursor are not replayed', () => {
  const isRepeat = repeats()
  isRepeat(own({ id: 1, data: { name: 'ann' } }))
  isRepeat(live('1.1.1', { id: 2 }))
  expect(isRepeat(replayed('1.1.2', { id: 1, data: { name: 'ann' } }))).toBe(false)
})

const told = (verb: string, cursor: string): Message => ['changefeed', { verb, cursor }, { verb, cursor } as object]

test('a checkpoint has the cursor of the last one: messages of the app between them may be replayed, earlier ones not', () => {
  const isRepeat = repeats()
  const later = own({ id: 1, data: { name: 'bob' } })
  for (const message of [own({ id: 1, data: { name: 'ann' } }), told('checkpoint', '1.1.1'), later]) isRepeat(message)
  isRepeat(told('checkpoint', '1.1.2'))
  expect(isRepeat(replayed('1.1.3', { id: 1, data: { name: 'ann' } }))).toBe(false)
  expect(isRepeat(replayed('1.1.4', { id: 1, data: { name: 'bob' } }))).toBe(true)
})

test('messages of the app before `caughtUp` are not replayed', () => {
  const isRepeat = repeats()
  isRepeat(own({ id: 1, data: { name: 'ann' } }))
  isRepeat(told('caughtUp', '1.1.1'))
  expect(isRepeat(replayed('1.1.3', { id: 1, data: { name: 'ann' } }))).toBe(false)
})

test('a queued copy is a message of the app only, not a later one of the feed', () => {
  const queue = [live('1.1.9', { id: 1, data: { name: 'ann' } }), own({ id: 1, data: { name: 'ann' } })]
  expect(takeCopy(queue, replayed('1.1.2', { id: 1, data: { name: 'ann' } }))).toBe(true)
  expect(queue).toEqual([live('1.1.9', { id: 1, data: { name: 'ann' } })])
})
