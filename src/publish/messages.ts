import type { ModelRecord, RecordId } from '../ontology/model.ts'
import type { AddCall, CreateCall, DestroyCall, PublishCall, RemoveCall, UpdateCall } from './call.ts'
import { classRoom, contextRoom, recordRoom } from './rooms.ts'

/** What is to happen to sockets for one publish call, in order. */
export type Step =
  | EmitStep
  /** The members of `from` join `to`, before anything else is emitted. */
  | { readonly do: 'introduce'; readonly from: string; readonly to: string }
  /** Everyone leaves the rooms of the record. */
  | { readonly do: 'retire'; readonly identity: string; readonly id: RecordId }
  /** Everyone who is in any room of this model is told to read again. */
  | { readonly do: 'refetch'; readonly identity: string; readonly payload: RefetchPayload }

/** Once to each socket that is in any of the rooms. */
export interface EmitStep {
  readonly do: 'emit'
  readonly rooms: string[]
  readonly event: string
  readonly payload: object
}

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
      return [toRecord(call, 'destroy', destroyedPayload(call)), retireStep(call)]
    case 'publishUpdate':
      return [toRecord(call, 'update', updatedPayload(call))]
    case 'publishAdd':
      return [toRecord(call, `add:${call.alias}`, addedToPayload(call))]
    case 'publishRemove':
      return [toRecord(call, `remove:${call.alias}`, removedFromPayload(call))]
    case 'refetch': {
      const { identity, reason } = call
      return [{ do: 'refetch', identity, payload: { verb: 'refetch', identity, reason } }]
    }
  }
}

/** The message of one call to the app's own rooms alone, and the rooms whose members receive it anyway. */
export function toRoomsOfApp(call: PublishCall): { readonly step: EmitStep; readonly except: string[] } | undefined {
  const own: readonly string[] = ('rooms' in call && call.rooms) || []
  const step = stepsOf(call.fn === 'publishCreate' ? { ...call, reverse: [] } : call)[0]
  if (own.length === 0 || step?.do !== 'emit') return undefined
  return { step: { ...step, rooms: [...own] }, except: step.rooms.filter(room => !own.includes(room)) }
}

function createSteps({ identity, id, record, rooms = [] }: CreateCall): Step[] {
  const from = classRoom(identity)
  return [
    { do: 'emit', rooms: [from, ...rooms], event: identity, payload: { verb: 'created', data: record, id } },
    { do: 'introduce', from, to: recordRoom(identity, id) },
  ]
}

interface OfRecord {
  readonly identity: string
  readonly id: RecordId
  readonly rooms?: readonly string[]
}

/** One message to everyone who is subscribed to the record, or to this kind of message about it. */
export const toRecord = ({ identity, id, rooms = [] }: OfRecord, context: string, payload: object): EmitStep => ({
  do: 'emit',
  rooms: [recordRoom(identity, id), contextRoom(identity, id, context), ...rooms],
  event: identity,
  payload,
})

const retireStep = ({ identity, id }: OfRecord): Step => ({ do: 'retire', identity, id })

const updatedPayload = ({ id, changes, previous }: UpdateCall) => ({
  verb: 'updated',
  data: changes,
  id,
  ...withPrevious(previous),
})

const destroyedPayload = ({ id, previous }: DestroyCall) => ({ verb: 'destroyed', id, ...withPrevious(previous) })

const withPrevious = (previous: ModelRecord | undefined) => (previous === undefined ? {} : { previous })

const addedToPayload = ({ id, alias, childId, added }: AddCall) => ({
  id,
  verb: 'addedTo',
  attribute: alias,
  addedId: childId,
  ...(added === undefined ? {} : { added }),
})

const removedFromPayload = ({ id, alias, childId }: RemoveCall) => ({
  id,
  verb: 'removedFrom',
  attribute: alias,
  removedId: childId,
})
