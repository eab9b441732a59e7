import type { ModelRecord, Models, RecordId } from '../../models/model.ts'
import type {
  AddedToEvent,
  CreatedEvent,
  DestroyedEvent,
  RecordEvent,
  RemovedFromEvent,
  UpdatedEvent,
} from '../mapping/record-event.ts'
import { visibleEvent } from '../mapping/visible-event.ts'
import { classRoom, contextRoom, recordRoom } from './rooms.ts'

/** One operation on sockets. An event has a list of them, performed in order. */
export type Step =
  | EmitStep
  /** The members of `from` join `to`, before the next message is emitted. */
  | { readonly do: 'subscribe'; readonly from: string; readonly to: string }
  /** All sockets leave the rooms of the record. */
  | { readonly do: 'unsubscribe'; readonly identity: string; readonly id: RecordId }
  /** All sockets in any room of this model receive `refetch`. */
  | { readonly do: 'refetch'; readonly identity: string; readonly payload: RefetchPayload }

/** Sends one message to each socket that is in any of the rooms. */
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

/** The event name of messages about the feed itself. */
export const FEED_EVENT = 'changefeed'

/**
 * The messages and room changes of one event, without what must not leave. Pure. Every message with a record comes from here.
 * Payload keys have the same order as in Sails.
 */
export const stepsOf = (event: RecordEvent, models: Models): Step[] => stepsOfVisible(visibleEvent(event, models))

function stepsOfVisible(event: RecordEvent): Step[] {
  switch (event.verb) {
    case 'created':
      return [...event.reverse.flatMap(stepsOfVisible), ...createSteps(event)]
    case 'destroyed':
      return [toRecord(event, 'destroy', destroyedPayload(event)), unsubscribeStep(event)]
    case 'updated':
      return [toRecord(event, 'update', updatedPayload(event))]
    case 'addedTo':
      return [toRecord(event, `add:${event.alias}`, addedToPayload(event))]
    case 'removedFrom':
      return [toRecord(event, `remove:${event.alias}`, removedFromPayload(event))]
    case 'refetch': {
      const { identity, reason } = event
      return [{ do: 'refetch', identity, payload: { verb: 'refetch', identity, reason } }]
    }
  }
}

/** The message of one event to the app's own rooms, and the model's rooms, whose members receive it separately. */
export function toRoomsOfApp(
  event: RecordEvent,
  models: Models,
): { readonly step: EmitStep; readonly except: string[] } | undefined {
  const own: readonly string[] = ('rooms' in event && event.rooms) || []
  const step = stepsOf(event.verb === 'created' ? { ...event, reverse: [] } : event, models)[0]
  if (own.length === 0 || step?.do !== 'emit') return undefined
  return { step: { ...step, rooms: [...own] }, except: step.rooms.filter(room => !own.includes(room)) }
}

function createSteps({ identity, id, record, rooms = [] }: CreatedEvent): Step[] {
  const from = classRoom(identity)
  return [
    { do: 'emit', rooms: [from, ...rooms], event: identity, payload: { verb: 'created', data: record, id } },
    { do: 'subscribe', from, to: recordRoom(identity, id) },
  ]
}

interface OfRecord {
  readonly identity: string
  readonly id: RecordId
  readonly rooms?: readonly string[]
}

/** A message to the subscribers of the record, and to the subscribers of this context of the record. */
export const toRecord = ({ identity, id, rooms = [] }: OfRecord, context: string, payload: object): EmitStep => ({
  do: 'emit',
  rooms: [recordRoom(identity, id), contextRoom(identity, id, context), ...rooms],
  event: identity,
  payload,
})

const unsubscribeStep = ({ identity, id }: OfRecord): Step => ({ do: 'unsubscribe', identity, id })

const updatedPayload = ({ id, changes, previous }: UpdatedEvent) => ({
  verb: 'updated',
  data: changes,
  id,
  ...withPrevious(previous),
})

const destroyedPayload = ({ id, previous }: DestroyedEvent) => ({ verb: 'destroyed', id, ...withPrevious(previous) })

const withPrevious = (previous: ModelRecord | undefined) => (previous === undefined ? {} : { previous })

const addedToPayload = ({ id, alias, childId, added }: AddedToEvent) => ({
  id,
  verb: 'addedTo',
  attribute: alias,
  addedId: childId,
  ...(added === undefined ? {} : { added }),
})

const removedFromPayload = ({ id, alias, childId }: RemovedFromEvent) => ({
  id,
  verb: 'removedFrom',
  attribute: alias,
  removedId: childId,
})
