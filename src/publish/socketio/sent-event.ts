import type { Models } from '../../models/model.ts'
import type { MessageMeta, RecordEvent } from '../mapping/record-event.ts'
import { shownMeta } from '../origin.ts'
import { type Step, stepsOf } from './messages.ts'

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

export interface SentEventParts {
  readonly models: Models
  /** Ids of the sockets that do not receive changes with this origin. */
  readonly leftOut: (origin: string | undefined) => readonly string[]
}

/** What publishing the event sends. */
export function sentEvent(event: RecordEvent, meta: MessageMeta, { models, leftOut }: SentEventParts): SentEvent {
  return { cursor: meta.cursor, steps: stepsOf(event, models), meta: shownMeta(meta), except: leftOut(meta.origin) }
}
