import { expect, test } from 'vitest'
import { compositeKey, groupBy } from '../../src/composite-key.ts'

test('values with the same texts have the same key', () => {
  expect(compositeKey('pet', 1)).toBe(compositeKey('pet', '1'))
  expect(compositeKey('pet', 10n ** 20n)).toBe(compositeKey('pet', `1${'0'.repeat(20)}`))
})

test.each([
  [['a', 'b'], ['ab']],
  [['a,b'], ['a', 'b']],
  [['a","b'], ['a', 'b']],
  [['a'], ['a', '']],
  [[], ['']],
])('%j and %j have different keys', (one, other) => {
  expect(compositeKey(...one)).not.toBe(compositeKey(...other))
})

test('items are grouped in the order of the first of each group', () => {
  const items = [
    { name: 'a', of: 1, by: 'x' },
    { name: 'b', of: 2, by: 'x' },
    { name: 'c', of: 1, by: 'x' },
    { name: 'd', of: 1, by: 'y' },
  ]
  const groups = groupBy(items, ({ of, by }) => [of, by])
  expect(groups.map(group => group.map(({ name }) => name))).toEqual([['a', 'c'], ['b'], ['d']])
  expect(groupBy([], () => [])).toEqual([])
})
