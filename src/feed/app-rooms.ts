import { ChangefeedError } from '../errors.ts'
import type { Model } from '../ontology/model.ts'
import type { ModelOptions, RoomChange } from '../ontology/selection.ts'
import type { CreateCall, DestroyCall, PublishCall, UpdateCall } from '../publish/call.ts'
import { idOf } from '../publish/record-id.ts'
import type { RowChange } from '../publish/row-change.ts'

/**
 * The calls with the rooms that the model's option `rooms` names added to those about the changed record. Throws `E_MODEL`
 * where the option throws, or returns no rooms.
 */
export function withAppRooms(
  calls: PublishCall[],
  change: RowChange,
  options: ReadonlyMap<string, ModelOptions>,
): PublishCall[] {
  const roomsOf = options.get(change.model.identity)?.rooms
  if (!roomsOf) return calls
  return calls.map(call => (isAbout(call, change) ? { ...call, rooms: roomsFor(call, change, roomsOf) } : call))
}

type RecordCall = CreateCall | UpdateCall | DestroyCall

function isAbout(call: PublishCall, { model, old, new: row }: RowChange): call is RecordCall {
  const isOfRecord = call.fn === 'publishCreate' || call.fn === 'publishUpdate' || call.fn === 'publishDestroy'
  const ids = [old, row].flatMap(each => (each ? [String(idOf(model, each))] : []))
  return isOfRecord && call.identity === model.identity && ids.includes(String(call.id))
}

function roomsFor(call: RecordCall, change: RowChange, roomsOf: NonNullable<ModelOptions['rooms']>): string[] {
  const { model, operation, previous, record, changed } = change
  const shown = call.fn === 'publishDestroy' ? previous : record
  if (!shown || operation === 'truncate') return []
  const given = { operation, changed: [...changed], ...(previous && { previous }), ...(record && { record }) }
  const rooms = [namedRooms(model, roomsOf, shown, given)].flat()
  if (rooms.every(room => typeof room === 'string' && room !== '')) return [...new Set(rooms)]
  throw unfit(model, 'did not return the name of a room, or a list of names')
}

function namedRooms(
  model: Model,
  roomsOf: NonNullable<ModelOptions['rooms']>,
  ...about: [RowChange['record'] & object, RoomChange]
): string | readonly string[] {
  try {
    return roomsOf(...about)
  } catch (cause) {
    throw unfit(model, `threw: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}

const unfit = ({ identity }: Model, problem: string, cause?: unknown) =>
  new ChangefeedError('E_MODEL', `Option \`models.${identity}.rooms\` ${problem}.`, { cause })
