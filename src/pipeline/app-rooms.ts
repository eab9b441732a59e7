import { ChangefeedError } from '../errors.ts'
import type { Model } from '../models/model.ts'
import type { ModelOptions, RoomChange } from '../models/selection.ts'
import type { CreatedEvent, DestroyedEvent, UpdatedEvent } from '../publish/mapping/record-event.ts'
import { idOf } from '../publish/mapping/record-id.ts'
import type { RowChange } from '../publish/mapping/row-change.ts'
import type { MappedEvent } from './deferred-events.ts'

/**
 * Adds the rooms of the model's option `rooms` to events about the changed record. Throws `E_MODEL` if the option
 * throws or does not return rooms.
 */
export function withAppRooms(
  events: MappedEvent[],
  change: RowChange,
  options: ReadonlyMap<string, ModelOptions>,
): MappedEvent[] {
  const roomsOf = options.get(change.model.identity)?.rooms
  if (!roomsOf) return events
  return events.map(event => (isAbout(event, change) ? { ...event, rooms: roomsFor(event, change, roomsOf) } : event))
}

type RecordCall = CreatedEvent | UpdatedEvent | DestroyedEvent

function isAbout(event: MappedEvent, { model, old, new: row }: RowChange): event is RecordCall {
  const isOfRecord = event.verb === 'created' || event.verb === 'updated' || event.verb === 'destroyed'
  const ids = [old, row].flatMap(each => (each ? [String(idOf(model, each))] : []))
  return isOfRecord && event.identity === model.identity && ids.includes(String(event.id))
}

function roomsFor(event: RecordCall, change: RowChange, roomsOf: NonNullable<ModelOptions['rooms']>): string[] {
  const { model, operation, previous, record, changed } = change
  const shown = event.verb === 'destroyed' ? previous : record
  if (!shown || operation === 'truncate') return []
  const given = { operation, changed: [...changed], ...(previous && { previous }), ...(record && { record }) }
  const rooms = [namedRooms(model, roomsOf, shown, given)].flat()
  if (rooms.every(room => typeof room === 'string' && room !== '')) return [...new Set(rooms)]
  throw invalidRooms(model, 'must return the name of a room, or a list of names')
}

function namedRooms(
  model: Model,
  roomsOf: NonNullable<ModelOptions['rooms']>,
  ...about: [RowChange['record'] & object, RoomChange]
): string | readonly string[] {
  try {
    return roomsOf(...about)
  } catch (cause) {
    throw invalidRooms(model, `threw: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}

const invalidRooms = ({ identity }: Model, problem: string, cause?: unknown) =>
  new ChangefeedError('E_MODEL', `Option \`models.${identity}.rooms\` ${problem}.`, { cause })
