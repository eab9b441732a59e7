import { ChangefeedError } from '../../errors.ts'
import type { Models, RecordId } from '../../models/model.ts'
import { isRecordId } from '../mapping/record-id.ts'
import { classRoom, recordRoom } from './rooms.ts'

/** The methods of a socket.io server socket that a subscription uses. */
export interface Subscriber {
  join(rooms: string[]): Promise<void> | void
  leave(room: string): Promise<void> | void
}

/** One id, several, or no argument. `undefined` is not allowed as an id, because it would subscribe to the whole model. */
export type SubscriptionIds = [] | [ids: RecordId | readonly RecordId[]]

/**
 * The rooms of a subscription to records, or, without ids, to the model. Members of a model's room receive `created` and
 * join the room of each new record.
 *
 * Throws `E_USAGE` for an unknown model and for invalid ids.
 */
export function roomsOfSubscription(models: Models, identity: string, ...given: SubscriptionIds): string[] {
  const model = models.get(identity.toLowerCase())
  if (!model) {
    const known = [...models.keys()].join(', ')
    throw new ChangefeedError('E_USAGE', `Model \`${identity}\` is not part of the feed. Use one of: ${known}.`)
  }
  if (given.length === 0) return [classRoom(model.identity)]
  return given.flat().map(id => {
    if (isRecordId(id) && id !== '') return recordRoom(model.identity, id)
    const found = id === null || id === '' ? JSON.stringify(id) : typeof id
    throw new ChangefeedError(
      'E_USAGE',
      `An id of \`${identity}\` must be a number or a non-empty string, not ${found}.`,
    )
  })
}
