import type { Operation } from '../change-log/change.ts'
import type { PublishCall } from '../publish/call.ts'

/** What clients call it. */
export const VERB_OF_CALL: Readonly<Record<PublishCall['fn'], string>> = {
  publishCreate: 'created',
  publishUpdate: 'updated',
  publishDestroy: 'destroyed',
  publishAdd: 'addedTo',
  publishRemove: 'removedFrom',
  refetch: 'refetch',
}

export const VERBS: readonly string[] = Object.values(VERB_OF_CALL)

export const VERB_OF_OPERATION: Readonly<Record<Operation, string>> = {
  insert: 'created',
  update: 'updated',
  delete: 'destroyed',
  truncate: 'truncated',
}

/** A call, after those that it makes itself. */
export const withReverse = (call: PublishCall): readonly PublishCall[] =>
  call.fn === 'publishCreate' ? [...call.reverse, call] : [call]
