/**
 * When to read next: by interrupt while commits are rare, by polling while they are many, as network drivers do.
 *
 * | mode    | gate      | reads                                     | leaves                                          |
 * |---------|-----------|-------------------------------------------|-------------------------------------------------|
 * | asleep  | ours      | on a wake, and at the backstop            | polling, when wakes come faster than WAKES_MAX   |
 * | polling | open      | every POLL_MS                             | closing, when nothing was found for QUIET_MS     |
 * | closing | requested | backing off to BACKOFF_MAX_MS, and on a wake | asleep, when granted; polling, when it was not  |
 *
 * Pure: time comes in as milliseconds, what to do about the gate goes out.
 */
export type Mode = 'asleep' | 'polling' | 'closing'

export interface PollingPolicy {
  readonly mode: Mode
  /** How long to wait for a wake before reading anyway, in milliseconds. */
  readonly waitMs: number
  /** The present window of wake counting. */
  readonly windowStart: number
  readonly windowWakes: number
  /** When the last change was found. */
  readonly lastFound: number
}

export type GateCommand = 'open' | 'close' | null

const POLL_MS = 2
const QUIET_MS = 50
const BACKOFF_MAX_MS = 100
const BACKSTOP_MS = 1_000
const WINDOW_MS = 100
/** Per window: 200 wakes a second. */
const WAKES_MAX = 20

/** A listener begins by asking for the gate: transactions that are open already did not notify it. */
export const startPace = (now: number): PollingPolicy => ({
  mode: 'closing',
  waitMs: POLL_MS,
  windowStart: now,
  windowWakes: 0,
  lastFound: now,
})

/** After each read that ended level: `woken` tells whether a notification caused it, `found` whether it found a change. */
export function afterRead(
  pace: PollingPolicy,
  now: number,
  { woken, found }: { woken: boolean; found: boolean },
): [PollingPolicy, GateCommand] {
  const counted = countWake(pace, now, woken)
  const seen = found ? { ...counted, lastFound: now } : counted
  switch (seen.mode) {
    case 'asleep':
      return seen.windowWakes > WAKES_MAX ? [{ ...seen, mode: 'polling', waitMs: POLL_MS }, 'open'] : [seen, null]
    case 'polling':
      return now - seen.lastFound > QUIET_MS ? [{ ...seen, mode: 'closing', waitMs: POLL_MS }, 'close'] : [seen, null]
    case 'closing':
      return [{ ...seen, waitMs: found ? POLL_MS : Math.min(seen.waitMs * 2, BACKOFF_MAX_MS) }, null]
  }
}

/** The gate is ours. One more read is due at once: what committed before the grant did not notify. */
export const gateGranted = (pace: PollingPolicy): PollingPolicy => ({
  ...pace,
  mode: 'asleep',
  waitMs: BACKSTOP_MS,
  windowWakes: 0,
})

/** The request for the gate ran out of patience: ask again, unless changes are flowing. */
export function gateRefused(pace: PollingPolicy, now: number): [PollingPolicy, GateCommand] {
  const flowing = now - pace.lastFound < QUIET_MS
  return flowing ? [{ ...pace, mode: 'polling', waitMs: POLL_MS }, null] : [pace, 'close']
}

function countWake(pace: PollingPolicy, now: number, woken: boolean): PollingPolicy {
  const wakes = woken ? 1 : 0
  if (now - pace.windowStart >= WINDOW_MS) return { ...pace, windowStart: now, windowWakes: wakes }
  return { ...pace, windowWakes: pace.windowWakes + wakes }
}
