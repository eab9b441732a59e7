import { expect, test } from 'vitest'
import { applied, isSelection, type Row } from '../../../src/client/live-list.ts'
import type { Message, Payload } from '../../../src/client/message.ts'

const ann = { id: 1, name: 'ann', age: 3, boss: null }
const bob = { id: 5, name: 'bob', age: null, boss: 1 }
const flat: Row[] = [ann, bob]
const populated: Row[] = [{ id: 1, name: 'ann', owner: { id: 7, name: 'eve' }, pets: [{ id: 8, name: 'rex' }] }]

const message = (payload: Payload, event = 'user'): Message => [event, payload, { cursor: '1.1.1' }]
const after = (payload: Payload, { rows = flat, path = '/user', event = 'user' } = {}) =>
  applied(rows, message(payload, event), path, 'user')

const created = (data: Row): Payload => ({ verb: 'created', id: data.id, data })
const cat = { id: 3, name: 'cat', age: 4, boss: 5 }

test.each<[string, Payload, Row[]]>([
  ['created', created(cat), [ann, cat, bob]],
  ['created again', created({ ...ann, name: 'eve' }), [{ ...ann, name: 'eve' }, bob]],
  ['updated', { verb: 'updated', id: 5, data: { id: 5, age: 7 } }, [ann, { ...bob, age: 7 }]],
  ['updated to null', { verb: 'updated', id: 5, data: { id: 5, boss: null } }, [ann, { ...bob, boss: null }]],
  ['destroyed', { verb: 'destroyed', id: 1 }, [bob]],
  ['destroyed, of another record', { verb: 'destroyed', id: 2 }, flat],
  ['addedTo, not shown', { verb: 'addedTo', id: 1, attribute: 'pets', addedId: 3 }, flat],
  ['removedFrom, of another record', { verb: 'removedFrom', id: 2, attribute: 'name', removedId: 3 }, flat],
  ['a message of the app', { verb: 'messaged', id: 1, data: { name: 'eve' } }, flat],
])('the list after %s', (_name, payload, rows) => {
  expect([...(after(payload) ?? [])].sort((a, b) => a.id - b.id)).toEqual(rows)
})

test.each<[string, Payload, object?]>([
  ['created in an empty list', created(cat), { rows: [] }],
  ['created with other attributes', created({ ...cat, city: 'Bonn' })],
  ['created without an attribute that is shown', created({ id: 3, name: 'cat', age: 4 })],
  ['created in a list at its limit', created(cat), { path: '/user?limit=2' }],
  ['updated in a list at its limit', { verb: 'updated', id: 1, data: { age: 4 } }, { path: '/user?limit=2' }],
  ['destroyed in a list at its limit', { verb: 'destroyed', id: 1 }, { path: '/user?limit=2' }],
  ['a change of a filtered list', { verb: 'updated', id: 1, data: { age: 4 } }, { path: '/user?limit=9&age=3' }],
  ['a change of a sorted list', { verb: 'updated', id: 1, data: { age: 4 } }, { path: '/user?sort=age' }],
  ['updated, of a record that is not in the list', { verb: 'updated', id: 2, data: { name: 'eve' } }],
  ['a reference, where no record shows its form', created({ ...cat, boss: 5 }), { rows: [ann] }],
  ['a reference to a populated record', { verb: 'updated', id: 1, data: { owner: 9 } }, { rows: populated }],
  ['a populated member', { verb: 'addedTo', id: 1, attribute: 'pets', addedId: 9 }, { rows: populated }],
  ['a change of a populated record', { verb: 'updated', id: 7, data: {} }, { rows: populated, event: 'person' }],
  ['a change of a populated record of the same model', { verb: 'updated', id: 7, data: {} }, { rows: populated }],
  ['a change of a populated member', { verb: 'updated', id: 8, data: {} }, { rows: populated, event: 'pet' }],
])('only the server knows the list after %s', (_name, payload, options) => {
  expect(after(payload, options)).toBeUndefined()
})

test.each<[string, Payload, object]>([
  ['of another model', { verb: 'updated', id: 1, data: { name: 'x' } }, { event: 'pet' }],
  ['of another model, which is not shown', { verb: 'destroyed', id: 9 }, { rows: populated, event: 'pet' }],
])('a message %s changes nothing', (_name, payload, { rows = flat, ...options }: { rows?: Row[] }) => {
  expect(after(payload, { rows, ...options })).toBe(rows)
})

test.each([
  ['/user', 29, false],
  ['/user', 30, true],
  ['/user?limit=100', 99, false],
  ['/user?limit=100', 100, true],
  ['/user?limit=100&populate=false', 99, false],
  ['/user?name=ann', 0, true],
  ['/user?limit=9&sort=name', 0, true],
])('whether only the server knows the list at %s with %i records: %s', (path, length, expected) => {
  expect(isSelection(path, Array.from({ length }))).toBe(expected)
})

test('one record, and an answer without a body, are no selection', () => {
  expect([ann, undefined].map(body => isSelection('/user/1', body))).toEqual([false, false])
})
