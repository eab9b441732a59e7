import fc from 'fast-check'
import { expect, test } from 'vitest'
import { classRoom, contextRoom, identitiesOfRoom, idInRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'

test('rooms are named as in Sails', () => {
  expect(classRoom('user')).toBe('sails_model_create_user')
  expect(recordRoom('user', 7)).toBe('sails_model_user_7:user')
  expect(recordRoom('user', 0)).toBe('sails_model_user_0:user')
})

test('the name of a record room round-trips any id', () =>
  fc.assert(fc.property(fc.string(), id => idInRoom('user', recordRoom('user', id)) === id)))

test('other rooms have no id', () => {
  for (const room of ['sails_model_create_user', 'sails_model_user:user', 'sails_model_pet_1:pet', 'funSockets', '']) {
    expect(idInRoom('user', room)).toBeUndefined()
  }
})

test('the candidate models of a room include its model, for any names and ids', () =>
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (identity, id, context) => {
      for (const room of [classRoom(identity), recordRoom(identity, id), contextRoom(identity, id, context)]) {
        expect(identitiesOfRoom(room)).toContain(identity)
      }
    }),
  ))

test('a room has no candidate models with a different name prefix', () => {
  expect(identitiesOfRoom(recordRoom('my_pet', 'a_1'))).toEqual(['my', 'my_pet', 'my_pet_a'])
  expect(identitiesOfRoom(contextRoom('pet', 1, 'add:my_toys'))).toEqual(['pet'])
  expect(identitiesOfRoom(classRoom('pet'))).toEqual(['pet'])
  expect(identitiesOfRoom('a_lobby:b')).toEqual([])
})
