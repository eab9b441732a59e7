import { afterEach, expect, test, vi } from 'vitest'
import { Turns } from '../../../src/catch-up/turns.ts'

afterEach(() => void vi.useRealTimers())

test('up to the limit run at once, the others one after another, in order', async () => {
  const turns = new Turns(2, 1_000)
  expect([await turns.take(), await turns.take()]).toEqual([true, true])
  const order: number[] = []
  const waiting = [1, 2, 3].map(async number => {
    expect(await turns.take()).toBe(true)
    order.push(number)
  })
  turns.end()
  await waiting[0]
  expect(order).toEqual([1])
  turns.end()
  turns.end()
  await Promise.all(waiting)
  expect(order).toEqual([1, 2, 3])
  turns.end()
  turns.end()
  expect([await turns.take(), await turns.take()]).toEqual([true, true])
})

test('whoever waits too long gets none, and does not take the turn of the next', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const turns = new Turns(1, 1_000)
  await turns.take()
  const early = turns.take()
  vi.advanceTimersByTime(500)
  const late = turns.take()
  vi.advanceTimersByTime(500)
  expect(await early).toBe(false)
  turns.end()
  expect(await late).toBe(true)
  vi.advanceTimersByTime(10_000)
  const next = turns.take()
  turns.end()
  expect(await next).toBe(true)
})
