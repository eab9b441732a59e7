import fc from 'fast-check'
import { expect, test } from 'vitest'
import { classRoom, idInRoom, recordRoom } from '../../src/publish/rooms.ts'

test('rooms are named as in Sails', () => {
  expect(classRoom('user')).toBe('sails_model_create_user')
  expect(recordRoom('user', 7)).toBe('sails_model_user_7:user')
  expect(recordRoom('user', 0)).toBe('sails_model_user_0:user')
})

test('the id of a record room can be read back, whatever it is made of', () =>
  fc.assert(fc.property(fc.string(), id => idInRoom('user', recordRoom('user', id)) === id)))

test('other rooms hold no id', () => {
  for (const room of ['sails_model_create_user', 'sails_model_user:user', 'sails_model_pet_1:pet', 'funSockets', '']) {
    expect(idInRoom('user', room)).toBeUndefined()
  }
})
