/**
 * Decides when to read next: on notification while commits are rare, by polling while they are frequent, as network
 * drivers do.
 *
 * | mode    | gate      | reads                                        | leaves                                         |
 * |---------|-----------|----------------------------------------------|------------------------------------------------|
 * | asleep  | held      | on a wake, and at the backstop               | polling, when wakes exceed WAKES_MAX           |
 * | polling | open      | every POLL_MS                                | closing, when nothing was found for QUIET_MS   |
 * | closing | requested | backing off to BACKOFF_MAX_MS, and on a wake | asleep, when granted; polling, when refused    |
 *
 * Pure: takes the time in milliseconds, returns the command for the gate.
 */
export type Mode = 'asleep' | 'polling' | 'closing'

export interface PollingPolicy {
  readonly mode: Mode
  /** How long to wait for a wake before reading anyway, in milliseconds. */
  readonly waitMs: number
  /** The current window for counting wakes. */
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
/**
 * Per window: 200 commits a second. Commits that notify wait for each other's flush to disk, so a storage that takes 4 ms for
 * it allows 250: a higher limit would never be reached, and writers would stay slow. Below it, polling would double the latency.
 */
const WAKES_MAX = 20

/** A listener starts by requesting the gate: transactions that are already open did not notify it. */
export const startPolling = (now: number): PollingPolicy => ({
  mode: 'closing',
  waitMs: POLL_MS,
  windowStart: now,
  windowWakes: 0,
  lastFound: now,
})

/** After a read that reached the end of the log. `wakes`: notifications before it. `found`: it returned a change. */
export function afterRead(
  policy: PollingPolicy,
  now: number,
  { wakes, found }: { wakes: number; found: boolean },
): [PollingPolicy, GateCommand] {
  const counted = countWakes(policy, now, found ? wakes : 0)
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

/** The gate is held. One more read is due at once, because commits before the grant did not notify. */
export const gateGranted = (policy: PollingPolicy): PollingPolicy => ({
  ...policy,
  mode: 'asleep',
  waitMs: BACKSTOP_MS,
  windowWakes: 0,
})

/** The request for the gate timed out: request it again, unless changes are arriving. */
export function gateRefused(policy: PollingPolicy, now: number): [PollingPolicy, GateCommand] {
  const flowing = now - policy.lastFound < QUIET_MS
  return flowing ? [{ ...policy, mode: 'polling', waitMs: POLL_MS }, null] : [policy, 'close']
}

function countWakes(policy: PollingPolicy, now: number, wakes: number): PollingPolicy {
  if (now - policy.windowStart >= WINDOW_MS) return { ...policy, windowStart: now, windowWakes: wakes }
  return { ...policy, windowWakes: policy.windowWakes + wakes }
}
