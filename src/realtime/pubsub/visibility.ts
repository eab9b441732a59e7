import { type Model, type ModelRecord, type Models, targetOf } from '../../models/model.ts'
import type { RecordEvent } from '../../publish/mapping/record-event.ts'
import type { Publisher } from '../../publish/publisher.ts'
import { wrapPublisher } from '../../publish/wrap-publisher.ts'

export interface VisibilityParts {
  readonly models: Models
  /** Names that clients must not see, of attributes and of their columns. */
  readonly hidden: (identity: string) => ReadonlySet<string>
}

/** Publishes what it is given without the attributes that clients of a model must not see, wherever the events come from. */
export function visiblePublisher(publisher: Publisher, parts: VisibilityParts): Publisher {
  const shownBy = wrapPublisher(publisher, (event, meta) => publisher.publish(visible(event, parts), meta))
  const sent = publisher.sent?.bind(publisher)
  return { ...shownBy, ...(sent && { sent: (event, meta) => sent(visible(event, parts), meta) }) }
}

function visible(event: RecordEvent, parts: VisibilityParts): RecordEvent {
  const { identity } = event
  const of = (record: ModelRecord) => shown(identity, record, parts)
  const previous = 'previous' in event && event.previous !== undefined ? { previous: of(event.previous) } : undefined
  switch (event.verb) {
    case 'created':
      return { ...event, record: of(event.record), reverse: event.reverse.map(each => visible(each, parts)) }
    case 'updated':
      return { ...event, changes: of(event.changes), ...previous }
    case 'destroyed':
      return { ...event, ...previous }
    case 'addedTo': {
      const child = targetNamed(parts.models.get(identity), event.alias)
      return event.added && child !== undefined ? { ...event, added: shown(child, event.added, parts) } : event
    }
    default:
      return event
  }
}

/** The record and its populated records without hidden attributes. */
function shown(identity: string, record: ModelRecord, parts: VisibilityParts): ModelRecord {
  const [model, hidden] = [parts.models.get(identity), parts.hidden(identity)]
  const entries = Object.entries(record).filter(([name]) => !hidden.has(name))
  return Object.fromEntries(
    entries.map(([name, value]) => {
      const target = targetNamed(model, name)
      return [name, target === undefined ? value : shownWithin(target, value, parts)]
    }),
  )
}

function shownWithin(identity: string, value: unknown, parts: VisibilityParts): unknown {
  if (Array.isArray(value)) return value.map(each => shownWithin(identity, each, parts))
  return value !== null && typeof value === 'object' ? shown(identity, value as ModelRecord, parts) : value
}

function targetNamed(model: Model | undefined, name: string): string | undefined {
  const association = model?.associations.find(({ alias }) => alias === name)
  return association && targetOf(association)
}
