import type { Operation } from '../change-log/change.ts'
import type { RecordEvent } from '../publish/mapping/record-event.ts'

export const VERB_OF_OPERATION: Readonly<Record<Operation, string>> = {
  insert: 'created',
  update: 'updated',
  delete: 'destroyed',
  truncate: 'truncated',
}

/** The events of a `created` event including its reverse events; other events alone. */
export const withReverse = (event: RecordEvent): readonly RecordEvent[] =>
  event.verb === 'created' ? [...event.reverse, event] : [event]
