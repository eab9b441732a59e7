import type { ModelRecord, RecordId } from '../ontology/model.ts'

/**
 * One call of a model's publish function. The mapping makes them explicit: no call implies another one, except that
 * `create.reverse` lists what `publishCreate` itself announces *first* to the other ends of the new record's
 * associations. A publisher that calls a Sails model's `_publishCreate` skips that list (the function does it); our own
 * publisher performs it. All other calls are made with `noReverse`.
 */
export type PublishCall = CreateCall | UpdateCall | DestroyCall | AddCall | RemoveCall | RefetchCall

export interface CreateCall {
  readonly fn: 'publishCreate'
  readonly identity: string
  readonly id: RecordId
  /** JSON-ready: customToJSON applied, hidden, encrypted and redacted attributes gone. */
  readonly record: ModelRecord
  readonly reverse: readonly PublishCall[]
  /** Rooms of the app that receive the message as well: the model's option `rooms`. */
  readonly rooms?: readonly string[]
}

export interface UpdateCall {
  readonly fn: 'publishUpdate'
  readonly identity: string
  readonly id: RecordId
  readonly changes: ModelRecord
  /** Absent where only the other end of an association changed. */
  readonly previous?: ModelRecord
  readonly rooms?: readonly string[]
}

export interface DestroyCall {
  readonly fn: 'publishDestroy'
  readonly identity: string
  readonly id: RecordId
  readonly previous?: ModelRecord
  readonly rooms?: readonly string[]
}

export interface AddCall {
  readonly fn: 'publishAdd'
  readonly identity: string
  readonly id: RecordId
  readonly alias: string
  readonly childId: RecordId
  /** The child itself, where the caller of a publish function passed it. JSON-ready. */
  readonly added?: ModelRecord
  /** A blueprint replaced a collection and kept this member: it deleted the link and inserted it again. */
  readonly kept?: true
}

export interface RemoveCall {
  readonly fn: 'publishRemove'
  readonly identity: string
  readonly id: RecordId
  readonly alias: string
  readonly childId: RecordId
}

/** Not a Sails verb: everything that a client holds of this model may be stale (TRUNCATE, a declared gap, bulk policy). */
export interface RefetchCall {
  readonly fn: 'refetch'
  readonly identity: string
  readonly reason: 'truncate' | 'gap' | 'bulk' | 'epoch'
}

/** The second argument of every message; today's clients ignore it. */
export interface MessageMeta {
  readonly cursor: string
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly origin?: string
  readonly annotations?: string
  readonly replayed?: true
}
