/**
 * A snapshot of the change log, taken by the leader. A tick's changes are those visible in its snapshot and not in the
 * previous one. The mechanism is that of PgQ (Skype, 2007): reading by the difference of two snapshots misses no
 * change, in whatever order transactions commit.
 *
 * A snapshot is valid only while its tick is in the log. A crash of the server may lose a tick that was already
 * published, and then give the ids of lost transactions to others.
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
