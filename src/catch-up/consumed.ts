import { formatCursor } from '../change-log/cursor.ts'
import type { Position } from '../change-log/position.ts'
import { WHOLE_TICK } from '../change-log/tick.ts'
import type { ChangeEvent } from '../pipeline/events.ts'

/** A place in the feed, as messages carry it. */
export interface Place {
  readonly cursor: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** A change of a record, as a consumer receives it. */
export type ConsumedChange = Omit<ChangeEvent, 'meta'> & Place

/** Changes of this model are missing: it must be read again as a whole. */
export interface ConsumedGap extends Place {
  readonly operation: 'gap'
  readonly identity: string
  readonly reason: string
}

export type Consumed = ConsumedChange | ConsumedGap

/** The gap of a model before a position. */
export function gapOf(identity: string, { epoch, tick, gap = 'gap' }: Position): ConsumedGap {
  const cursor = formatCursor({ epoch, tick: tick.id, seq: WHOLE_TICK })
  return { operation: 'gap', identity, reason: gap, cursor, at: Date.now() }
}
