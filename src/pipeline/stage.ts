import type { MessageMeta } from '../publish/mapping/record-event.ts'
import type { RowChange } from '../publish/mapping/row-change.ts'
import type { MappedEvent } from './deferred-events.ts'

/** A step between mapping and publishing, which drops or completes record events. */
export interface Stage {
  /** Called before the changes of each page. */
  begin?(): void
  /** Called in feed order, one change at a time. Rejects with the signal's reason when aborted. */
  revise(events: MappedEvent[], context: StageContext): MappedEvent[] | Promise<MappedEvent[]>
  /** Models whose clients must refetch at the end of the tick, because the stage could not complete their events. */
  incomplete?(): string[]
}

export interface StageContext {
  readonly change: RowChange
  /** Tick of the change. */
  readonly tick: bigint
  readonly meta: MessageMeta
  readonly signal: AbortSignal
  /** Updates and deletions of the same table that follow in the page. */
  upcoming(): Promise<readonly UpcomingChange[]>
}

export interface UpcomingChange {
  readonly change: RowChange
  /** When the change happened, in milliseconds since the epoch. */
  readonly at: number
}
