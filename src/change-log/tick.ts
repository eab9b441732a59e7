/**
 * A snapshot of the change log, taken by the leader. A tick's changes are those visible in its snapshot and not in the
 * previous one. The mechanism is that of PgQ (Skype, 2007): reading by the difference of two snapshots misses no
 * change, in whatever order transactions commit.
 */
export interface Tick {
  readonly id: bigint
  readonly snapshot: string
}

/** The changes of one tick: after `from`, up to and including `to`. */
export interface TickRange {
  readonly epoch: number
  readonly from: Tick
  readonly to: Tick
}

/** Higher than every `seq`: a position with it has published its tick completely. */
export const WHOLE_TICK = 9_223_372_036_854_775_807n
