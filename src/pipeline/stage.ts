import type { MessageMeta } from '../publish/mapping/record-event.ts'
import type { RowChange } from '../publish/mapping/row-change.ts'
import type { MappedEvent } from './deferred-events.ts'

/** A step between the mapping of a change to record events and the publisher: it drops events, or completes them. */
export interface Stage {
  /** Called before the changes of each page. */
  begin?(): void
  /** Called in feed order, one change at a time. Ends with the signal's reason when that is aborted. */
  revise(events: MappedEvent[], context: StageContext): MappedEvent[] | Promise<MappedEvent[]>
  /** Models whose clients must read again at the end of the tick, as the step could not complete their events. */
  incomplete?(): string[]
}

export interface StageContext {
  readonly change: RowChange
  /** Of the change. */
  readonly tick: bigint
  readonly meta: MessageMeta
  readonly signal: AbortSignal
  /** The changes of the same table that follow in the page and end what a row said: updates and deletions. */
  upcoming(): Promise<readonly UpcomingChange[]>
}

export interface UpcomingChange {
  readonly change: RowChange
  /** When it happened, in milliseconds since the epoch. */
  readonly at: number
}
