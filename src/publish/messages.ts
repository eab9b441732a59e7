import type { ModelRecord, RecordId } from '../ontology/model.ts'
import type { AddCall, CreateCall, DestroyCall, PublishCall, RemoveCall, UpdateCall } from './call.ts'
import { classRoom, recordRoom } from './rooms.ts'

/** What is to happen to sockets for one publish call, in order. */
export type Step =
  | { readonly do: 'emit'; readonly room: string; readonly event: string; readonly payload: object }
  /** The members of `from` join `to`, before anything else is emitted. */
  | { readonly do: 'introduce'; readonly from: string; readonly to: string }
  /** Everyone leaves the room. */
  | { readonly do: 'retire'; readonly room: string }
  /** Everyone who is in any room of this model is told to read again. */
  | { readonly do: 'refetch'; readonly identity: string; readonly payload: RefetchPayload }

export interface RefetchPayload {
  readonly verb: 'refetch'
  readonly identity: string
  readonly reason: string
}

/** The event of messages that are about the feed itself and not about a record. */
export const FEED_EVENT = 'changefeed'

/** The messages and room changes of one call. Pure; payload keys in the order in which Sails sends them. */
export function stepsOf(call: PublishCall): Step[] {
  switch (call.fn) {
    case 'publishCreate':
      return [...call.reverse.flatMap(stepsOf), ...createSteps(call)]
    case 'publishDestroy':
      return [toRecord(call, destroyedPayload(call)), { do: 'retire', room: recordRoom(call.identity, call.id) }]
    case 'publishUpdate':
      return [toRecord(call, updatedPayload(call))]
    case 'publishAdd':
      return [toRecord(call, addedToPayload(call))]
    case 'publishRemove':
      return [toRecord(call, removedFromPayload(call))]
    case 'refetch': {
      const { identity, reason } = call
      return [{ do: 'refetch', identity, payload: { verb: 'refetch', identity, reason } }]
    }
  }
}

function createSteps({ identity, id, record }: CreateCall): Step[] {
  const from = classRoom(identity)
  return [
    { do: 'emit', room: from, event: identity, payload: { verb: 'created', data: record, id } },
    { do: 'introduce', from, to: recordRoom(identity, id) },
  ]
}

const toRecord = ({ identity, id }: { identity: string; id: RecordId }, payload: object): Step => ({
  do: 'emit',
  room: recordRoom(identity, id),
  event: identity,
  payload,
})

const updatedPayload = ({ id, changes, previous }: UpdateCall) => ({
  verb: 'updated',
  data: changes,
  id,
  ...withPrevious(previous),
})

const destroyedPayload = ({ id, previous }: DestroyCall) => ({ verb: 'destroyed', id, ...withPrevious(previous) })

const withPrevious = (previous: ModelRecord | undefined) => (previous === undefined ? {} : { previous })

const addedToPayload = ({ id, alias, childId }: AddCall) => ({
  id,
  verb: 'addedTo',
  attribute: alias,
  addedId: childId,
})

const removedFromPayload = ({ id, alias, childId }: RemoveCall) => ({
  id,
  verb: 'removedFrom',
  attribute: alias,
  removedId: childId,
})
