import type { MessageMeta } from '../mapping/record-event.ts'
import type { Step } from './messages.ts'

/** One record event as it was sent: kept, or worked out again from the change log, for sockets that missed it. */
export interface SentEvent {
  /** Of the change. Several events of a change have the same. */
  readonly cursor: string
  readonly steps: readonly Step[]
  /** As clients see it. */
  readonly meta: MessageMeta
  /** Ids of the sockets that did not receive it. */
  readonly except: readonly string[]
}
