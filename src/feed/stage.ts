import type { MessageMeta, PublishCall } from '../publish/call.ts'
import type { RowChange } from '../publish/row-change.ts'

/** A step between the mapping of a change to publish calls and the publisher: it drops calls, or completes them. */
export interface Stage {
  /** Called in feed order, one change at a time. Ends with the signal's reason when that is aborted. */
  revise(calls: PublishCall[], circumstances: Circumstances): PublishCall[] | Promise<PublishCall[]>
}

export interface Circumstances {
  readonly change: RowChange
  readonly meta: MessageMeta
  readonly signal: AbortSignal
}
