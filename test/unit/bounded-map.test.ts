import { afterEach, expect, test, vi } from 'vitest'
import { BoundedMap } from '../../src/bounded-map.ts'

afterEach(() => void vi.useRealTimers())

const keysOf = (map: BoundedMap<string, number>, ...keys: string[]) => keys.filter(key => map.has(key))

test('above the count, the entries that were set the longest ago are forgotten', () => {
  const map = new BoundedMap<string, number>({ count: 2 })
  map.set('a', 1)
  map.set('b', 2)
  map.set('a', 3)
  map.set('c', 4)
  expect(keysOf(map, 'a', 'b', 'c')).toEqual(['a', 'c'])
  expect([map.size, map.get('a'), map.get('b')]).toEqual([2, 3, undefined])
})

test('above the age, they are forgotten when the next one is set', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const map = new BoundedMap<string, number>({ ageMs: 100 })
  map.set('a', 1)
  map.set('b', 1)
  vi.advanceTimersByTime(60)
  map.set('a', 2)
  vi.advanceTimersByTime(40)
  expect(keysOf(map, 'a', 'b')).toEqual(['a', 'b'])
  map.set('c', 1)
  expect(keysOf(map, 'a', 'b', 'c')).toEqual(['a', 'c'])
})

test('a deleted entry makes room for another', () => {
  const map = new BoundedMap<string, number>({ count: 2 })
  map.set('a', 1)
  map.set('b', 1)
  expect([map.delete('b'), map.delete('b')]).toEqual([true, false])
  map.set('c', 1)
  expect(keysOf(map, 'a', 'b', 'c')).toEqual(['a', 'c'])
})

test('without bounds everything is kept', () => {
  const map = new BoundedMap<number, number>({})
  for (let key = 0; key < 1_000; key++) map.set(key, key)
  expect([map.size, map.get(0)]).toEqual([1_000, 0])
})
