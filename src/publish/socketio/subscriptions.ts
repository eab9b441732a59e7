import { ChangefeedError } from '../../errors.ts'
import type { Models, RecordId } from '../../models/model.ts'
import { isRecordId } from '../mapping/record-id.ts'
import { classRoom, recordRoom } from './rooms.ts'

/** What a subscription needs of a socket.io server's socket. */
export interface Subscriber {
  join(rooms: string[]): Promise<void> | void
  leave(room: string): Promise<void> | void
}

/** One id, several, or none; an id that is undefined is none of these, as it would open the whole model. */
export type SubscriptionIds = [] | [ids: RecordId | readonly RecordId[]]

/**
 * The rooms of a subscription: of some records, or, without ids, of the model, where new records are announced and whose
 * members are in the room of each record that is created from then on.
 *
 * Throws `E_USAGE` for a model that the feed does not have, and for ids that are none.
 */
export function roomsOfSubscription(models: Models, identity: string, ...given: SubscriptionIds): string[] {
  const model = models.get(identity.toLowerCase())
  if (!model) {
    const known = [...models.keys()].join(', ')
    throw new ChangefeedError('E_USAGE', `The feed has no model \`${identity}\`. Its models: ${known}.`)
  }
  if (given.length === 0) return [classRoom(model.identity)]
  return given.flat().map(id => {
    if (isRecordId(id) && id !== '') return recordRoom(model.identity, id)
    const found = id === null || id === '' ? JSON.stringify(id) : typeof id
    throw new ChangefeedError('E_USAGE', `An id of \`${identity}\` is a number or a text, not ${found}.`)
  })
}
