import { expect, test } from 'vitest'
import { Attempts } from '../../../src/monitor/attempts.ts'
import { Sessions } from '../../../src/monitor/sessions.ts'

test('an address must wait after too many wrong tokens, until the window ends', () => {
  const attempts = new Attempts({ windowMs: 1000, perAddress: 2, total: 100 })
  for (const _ of [1, 2]) {
    expect(attempts.waitMs('a', 0)).toBe(0)
    attempts.failed('a')
  }
  expect([attempts.waitMs('a', 400), attempts.waitMs('b', 400), attempts.waitMs('a', 1000)]).toEqual([600, 0, 0])
})

test('after too many wrong tokens in total, only addresses that have sent the right one may try', () => {
  const attempts = new Attempts({ windowMs: 1000, perAddress: 2, total: 3 })
  expect(attempts.waitMs('good', 0)).toBe(0)
  attempts.succeeded('good')
  for (const address of ['a', 'b', 'c']) attempts.failed(address)
  expect([attempts.waitMs('d', 100), attempts.waitMs('good', 100)]).toEqual([900, 0])
  expect([attempts.waitMs('d', 1100), attempts.waitMs('good', 1100)]).toEqual([0, 0])
  for (const address of ['a', 'b', 'c']) attempts.failed(address)
  expect([attempts.waitMs('d', 1200), attempts.waitMs('good', 1200)]).toEqual([800 + 100, 0])
})

test('sessions expire, and the oldest is closed above the limit', () => {
  const sessions = new Sessions({ count: 2, lifetimeMs: 1000 })
  const [a, b, c] = [sessions.open(0), sessions.open(0), sessions.open(500)]
  expect([a, b, c].map(id => sessions.has(id, 999))).toEqual([false, true, true])
  expect([a, b, c].map(id => sessions.has(id, 1000))).toEqual([false, false, true])
  sessions.close(c)
  expect(sessions.has(c, 1000)).toBe(false)
  expect(new Set([a, b, c]).size).toBe(3)
})
