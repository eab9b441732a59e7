import { expect, test } from 'vitest'
import { backoffMs } from '../../src/backoff.ts'

test.each([
  [1, 100],
  [2, 200],
  [3, 400],
  [6, 3_200],
  [7, 5_000],
  [2_000, 5_000],
])('after %i failures it is %i ms', (failures, expected) => {
  expect(backoffMs(failures, { firstMs: 100, lastMs: 5_000 })).toBe(expected)
})
