import { expect, test } from 'vitest'
import { rateLimit } from '../../../src/realtime/requests/limits.ts'

test('requests are allowed in bursts, then at the average rate', () => {
  let now = 0
  const rate = rateLimit({ perSecond: 10, burst: 3 }, () => now)
  const allowed = (count: number) => Array.from({ length: count }, () => rate.allows()).filter(Boolean).length
  expect(allowed(10)).toBe(3)
  now += 100
  expect(allowed(10)).toBe(1)
  now += 50
  expect(allowed(1)).toBe(0)
  now += 50
  expect(allowed(1)).toBe(1)
  now += 60_000
  expect(allowed(10)).toBe(3)
})
