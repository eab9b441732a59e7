import { expect, test } from 'vitest'
import { Acknowledgements } from '../../../src/catch-up/acknowledgements.ts'
import { WHOLE_TICK } from '../../../src/change-log/tick.ts'

const place = (tick: bigint, seq: bigint) => ({ epoch: 1, tick, seq })
const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]

function handed() {
  const all = new Acknowledgements()
  all.add(a, place(1n, 1n))
  all.add(b, place(1n, 2n))
  all.add(c, place(1n, 2n))
  return all
}

test('nothing is acknowledged at first, whatever has been read', () => {
  const all = handed()
  all.reached(place(2n, WHOLE_TICK))
  expect(all.place).toBeNull()
})

test('the place follows the acknowledged items, and never passes another item of the same place', () => {
  const all = handed()
  all.acknowledge(a)
  expect(all.place).toEqual(place(1n, 1n))
  all.acknowledge(b)
  expect(all.place).toEqual(place(1n, 1n))
  all.acknowledge(c)
  expect(all.place).toEqual(place(1n, 2n))
})

test('an item acknowledges those before it; one that is unknown or done acknowledges nothing', () => {
  const all = handed()
  all.acknowledge(b)
  all.acknowledge(a)
  all.acknowledge({ name: 'another' })
  expect(all.place).toEqual(place(1n, 1n))
})

test('once everything is acknowledged, the place is how far the log was read', () => {
  const all = handed()
  all.reached(place(2n, WHOLE_TICK))
  all.acknowledge(c)
  expect(all.place).toEqual(place(2n, WHOLE_TICK))
  all.add(a, place(3n, 1n))
  expect(all.place).toEqual(place(1n, 2n))
})
