/**
 * A cut through the change log, made by the leader: its changes are those visible in its snapshot and not in the one
 * before. The mechanism is PgQ's (Skype, 2007): reading by the difference of two snapshots leaves no hole, whatever the
 * order in which transactions commit.
 */
export interface Tick {
  readonly id: bigint
  readonly snapshot: string
}

/** What one tick covers: everything after `from`, up to and including `to`. */
export interface TickRange {
  readonly epoch: number
  readonly from: Tick
  readonly to: Tick
}

/** Above every `seq`: a position with it has its tick behind it. */
export const WHOLE_TICK = 9_223_372_036_854_775_807n
