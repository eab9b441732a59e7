import { describe, expect, test } from 'vitest'
import {
  afterRead,
  gateGranted,
  gateRefused,
  type PollingPolicy,
  startPolling,
} from '../../../src/wakeup/polling-policy.ts'

const asleep = gateGranted(startPolling(0))
const polling: PollingPolicy = { ...asleep, mode: 'polling', waitMs: 1, lastFound: 1_000 }
const closing: PollingPolicy = { ...asleep, mode: 'closing', waitMs: 1, lastFound: 1_000 }
const nothing = { wakes: 0, found: false }
const wake = { wakes: 1, found: true }

describe('transitions of each mode', () => {
  test.each([
    ['asleep, a rare wake', asleep, 10, wake, 'asleep', null],
    ['asleep, the backstop', asleep, 10, nothing, 'asleep', null],
    ['asleep, one wake above the limit', { ...asleep, windowStart: 0, windowWakes: 20 }, 90, wake, 'polling', 'open'],
    ['asleep, as many wakes in a longer window', { ...asleep, windowWakes: 20 }, 100, wake, 'asleep', null],
    ['asleep, many wakes before one read', asleep, 10, { wakes: 21, found: true }, 'polling', 'open'],
    ['asleep, many wakes for nothing', asleep, 10, { wakes: 99, found: false }, 'asleep', null],
    ['polling, something found', polling, 9_000, { wakes: 0, found: true }, 'polling', null],
    ['polling, quiet for a moment', polling, 1_050, nothing, 'polling', null],
    ['polling, quiet for long', polling, 1_051, nothing, 'closing', 'close'],
    ['closing, something found', closing, 1_060, wake, 'closing', null],
    ['closing, nothing found', closing, 1_060, nothing, 'closing', null],
  ] as const)('%s', (_name, policy, now, read, mode, command) => {
    const [next, gate] = afterRead(policy, now, read)
    expect([next.mode, gate]).toEqual([mode, command])
  })

  test('a granted gate puts the reader to sleep with the backstop only', () => {
    expect(gateGranted(closing)).toMatchObject({ mode: 'asleep', waitMs: 1_000 })
  })

  test('a gate refused while changes arrive leads to polling without another request', () => {
    const [next, gate] = gateRefused({ ...closing, lastFound: 990 }, 1_000)
    expect([next.mode, next.waitMs, gate]).toEqual(['polling', 2, null])
  })

  test('a gate refused while nothing arrives is requested again', () => {
    expect(gateRefused({ ...closing, lastFound: 0 }, 1_000)).toEqual([{ ...closing, lastFound: 0 }, 'close'])
  })
})

test('while an open transaction holds the gate, reads back off to 100 ms and recover when a change arrives', () => {
  let policy: PollingPolicy = closing
  const waits: number[] = []
  for (let now = 1_001; now < 1_010; now++) {
    policy = afterRead(policy, now, nothing)[0]
    waits.push(policy.waitMs)
  }
  expect(waits).toEqual([2, 4, 8, 16, 32, 64, 100, 100, 100])
  expect(afterRead(policy, 1_011, wake)[0].waitMs).toBe(2)
})

test('after a burst the reader polls, requests the gate and sleeps', () => {
  let policy: PollingPolicy = asleep
  let now = 0
  const commands: (string | null)[] = []
  const step = (read: typeof nothing) => {
    now += 1
    const [next, command] = afterRead(policy, now, read)
    if (next.mode !== policy.mode || command) commands.push(`${next.mode} ${command}`)
    policy = next
  }
  for (let i = 0; i < 30; i++) step(wake)
  for (let i = 0; i < 60; i++) step(nothing)
  policy = gateGranted(policy)
  for (let i = 0; i < 5; i++) step(nothing)
  expect(commands).toEqual(['polling open', 'closing close'])
  expect(policy.mode).toBe('asleep')
})
