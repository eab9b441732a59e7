import type { ModelRecord, RecordId } from '../../models/model.ts'

/**
 * An event of one record, keyed by the verb of the message that clients receive. Events are independent, except that
 * `created.reverse` lists the `addedTo` events that are published *before* the new record. A publisher that calls a Sails
 * model's `_publishCreate` skips that list, because the function publishes them itself; our own publisher publishes it.
 */
export type RecordEvent = CreatedEvent | UpdatedEvent | DestroyedEvent | AddedToEvent | RemovedFromEvent | RefetchEvent

export const VERBS: readonly RecordEvent['verb'][] = [
  ...(['created', 'updated', 'destroyed', 'addedTo', 'removedFrom', 'refetch'] as const),
]

export interface CreatedEvent {
  readonly verb: 'created'
  readonly identity: string
  readonly id: RecordId
  /** JSON-ready: `customToJSON` applied, without hidden, encrypted and redacted attributes. */
  readonly record: ModelRecord
  readonly reverse: readonly RecordEvent[]
  /** Rooms of the app that receive the message as well: the model's option `rooms`. */
  readonly rooms?: readonly string[]
}

export interface UpdatedEvent {
  readonly verb: 'updated'
  readonly identity: string
  readonly id: RecordId
  readonly changes: ModelRecord
  /** Absent if only the other end of an association changed. */
  readonly previous?: ModelRecord
  readonly rooms?: readonly string[]
}

export interface DestroyedEvent {
  readonly verb: 'destroyed'
  readonly identity: string
  readonly id: RecordId
  readonly previous?: ModelRecord
  readonly rooms?: readonly string[]
}

export interface AddedToEvent {
  readonly verb: 'addedTo'
  readonly identity: string
  readonly id: RecordId
  readonly alias: string
  readonly childId: RecordId
  /** The child record, if the caller of a publish function passed it. JSON-ready. */
  readonly added?: ModelRecord
  /** A blueprint replaced a collection and kept this member: it deleted the link and inserted it again. */
  readonly kept?: true
}

export interface RemovedFromEvent {
  readonly verb: 'removedFrom'
  readonly identity: string
  readonly id: RecordId
  readonly alias: string
  readonly childId: RecordId
}

/** Not a Sails verb: all records of this model that a client holds may be stale (TRUNCATE, a declared gap, bulk policy). */
export interface RefetchEvent {
  readonly verb: 'refetch'
  readonly identity: string
  readonly reason: 'truncate' | 'gap' | 'bulk' | 'epoch'
}

/** The second argument of every message. sails.io.js ignores it. */
export interface MessageMeta {
  readonly cursor: string
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly origin?: string
  readonly annotations?: string
  readonly replayed?: true
}
