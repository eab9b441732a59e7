import { describe, expect, test } from 'vitest'
import {
  afterRead,
  gateGranted,
  gateRefused,
  type PollingPolicy,
  startPace,
} from '../../../src/wakeup/polling-policy.ts'

const asleep = gateGranted(startPace(0))
const polling: PollingPolicy = { ...asleep, mode: 'polling', waitMs: 1, lastFound: 1_000 }
const closing: PollingPolicy = { ...asleep, mode: 'closing', waitMs: 1, lastFound: 1_000 }
const nothing = { woken: false, found: false }
const wake = { woken: true, found: true }

describe('every step of every mode', () => {
  test.each([
    ['asleep, a rare wake', asleep, 10, wake, 'asleep', null],
    ['asleep, the backstop', asleep, 10, nothing, 'asleep', null],
    ['asleep, a wake too many', { ...asleep, windowStart: 0, windowWakes: 20 }, 90, wake, 'polling', 'open'],
    ['asleep, as many but over a longer time', { ...asleep, windowWakes: 20 }, 100, wake, 'asleep', null],
    ['polling, something found', polling, 9_000, { woken: false, found: true }, 'polling', null],
    ['polling, quiet for a moment', polling, 1_050, nothing, 'polling', null],
    ['polling, quiet for long', polling, 1_051, nothing, 'closing', 'close'],
    ['closing, something found', closing, 1_060, wake, 'closing', null],
    ['closing, nothing found', closing, 1_060, nothing, 'closing', null],
  ] as const)('%s', (_name, pace, now, read, mode, command) => {
    const [next, asked] = afterRead(pace, now, read)
    expect([next.mode, asked]).toEqual([mode, command])
  })

  test('the gate granted: asleep, with the backstop only', () => {
    expect(gateGranted(closing)).toMatchObject({ mode: 'asleep', waitMs: 1_000 })
  })

  test('the gate refused while changes flow: polling, without asking again', () => {
    const [next, asked] = gateRefused({ ...closing, lastFound: 990 }, 1_000)
    expect([next.mode, next.waitMs, asked]).toEqual(['polling', 2, null])
  })

  test('the gate refused in the quiet: asks again', () => {
    expect(gateRefused({ ...closing, lastFound: 0 }, 1_000)).toEqual([{ ...closing, lastFound: 0 }, 'close'])
  })
})

test('while an open transaction keeps the gate, reading backs off to 100 ms and is quick again when something comes', () => {
  let pace: PollingPolicy = closing
  const waits: number[] = []
  for (let now = 1_001; now < 1_010; now++) {
    pace = afterRead(pace, now, nothing)[0]
    waits.push(pace.waitMs)
  }
  expect(waits).toEqual([2, 4, 8, 16, 32, 64, 100, 100, 100])
  expect(afterRead(pace, 1_011, wake)[0].waitMs).toBe(2)
})

test('the storm passes: poll, ask for the gate, sleep', () => {
  let pace: PollingPolicy = asleep
  let now = 0
  const commands: (string | null)[] = []
  const step = (read: typeof nothing) => {
    now += 1
    const [next, command] = afterRead(pace, now, read)
    if (next.mode !== pace.mode || command) commands.push(`${next.mode} ${command}`)
    pace = next
  }
  for (let i = 0; i < 30; i++) step(wake)
  for (let i = 0; i < 60; i++) step(nothing)
  pace = gateGranted(pace)
  for (let i = 0; i < 5; i++) step(nothing)
  expect(commands).toEqual(['polling open', 'closing close'])
  expect(pace.mode).toBe('asleep')
})
