import { type Model, type ModelRecord, type Models, targetOf } from '../../models/model.ts'
import { inMessagesOf, type MayNest, mayLeave, nestedValue } from '../../models/visibility.ts'
import type { RecordEvent } from './record-event.ts'

/**
 * The event without what must not leave, wherever it comes from: attributes that are unknown or not visible, and populated
 * records of models that not every client may read, which are replaced by their ids. Its records are public records, to which
 * `customToJSON` has been applied. Pure.
 */
export function visibleEvent(event: RecordEvent, models: Models): RecordEvent {
  const model = models.get(event.identity)
  const of = (record: ModelRecord, identity = event.identity) =>
    visibleRecord(record, models.get(identity), { models, mayNest: inMessagesOf(model) })
  const previous = 'previous' in event && event.previous !== undefined ? { previous: of(event.previous) } : undefined
  switch (event.verb) {
    case 'created':
      return { ...event, record: of(event.record), reverse: event.reverse.map(each => visibleEvent(each, models)) }
    case 'updated':
      return { ...event, changes: of(event.changes), ...previous }
    case 'destroyed':
      return { ...event, ...previous }
    case 'addedTo': {
      const { added, ...membership } = event
      const association = model?.associations.find(({ alias }) => alias === event.alias)
      const child = association && models.get(targetOf(association))
      return added && child && inMessagesOf(model)(child)
        ? { ...membership, added: of(added, child.identity) }
        : membership
    }
    default:
      return event
  }
}

interface Surroundings {
  readonly models: Models
  readonly mayNest: MayNest
}

/** The same object if all of it may leave, which is the usual case. */
function visibleRecord(record: ModelRecord, model: Model | undefined, surroundings: Surroundings): ModelRecord {
  if (!model) return {}
  const shownValue = (key: string) => visibleValue(record[key], model, key, surroundings)
  const keys = Object.keys(record)
  if (keys.every(key => mayLeave(model, key) && shownValue(key) === record[key])) return record
  return Object.fromEntries(keys.filter(key => mayLeave(model, key)).map(key => [key, shownValue(key)]))
}

function visibleValue(value: unknown, model: Model, key: string, surroundings: Surroundings): unknown {
  if (value === null || typeof value !== 'object') return value
  const association = model.associations.find(({ alias }) => alias === key)
  if (!association) return value
  const target = surroundings.models.get(targetOf(association))
  return nestedValue(value, target, surroundings.mayNest, record => visibleRecord(record, target, surroundings))
}
