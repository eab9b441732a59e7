import type { Model, ModelRecord, Models } from '../ontology/model.ts'
import type { MessageMeta, PublishCall } from '../publish/call.ts'
import type { Publisher } from '../publish/publisher.ts'
import { targetOf } from './access.ts'

export interface DiscreetParts {
  readonly models: Models
  /** Names that clients must not see, of attributes and of their columns. */
  readonly hidden: (identity: string) => ReadonlySet<string>
}

/** Publishes what it is given without the attributes that clients of a model must not see, wherever the calls come from. */
export function discreetPublisher(
  publisher: Publisher,
  parts: DiscreetParts,
): Required<Pick<Publisher, 'publish' | 'drained' | 'sockets'>> {
  return {
    publish: (call: PublishCall, meta: MessageMeta) => publisher.publish(discreet(call, parts), meta),
    drained: () => publisher.drained?.(),
    sockets: () => publisher.sockets?.() ?? null,
  }
}

function discreet(call: PublishCall, parts: DiscreetParts): PublishCall {
  const { identity } = call
  const of = (record: ModelRecord) => shown(identity, record, parts)
  const previous = 'previous' in call && call.previous !== undefined ? { previous: of(call.previous) } : undefined
  switch (call.fn) {
    case 'publishCreate':
      return { ...call, record: of(call.record), reverse: call.reverse.map(each => discreet(each, parts)) }
    case 'publishUpdate':
      return { ...call, changes: of(call.changes), ...previous }
    case 'publishDestroy':
      return { ...call, ...previous }
    case 'publishAdd': {
      const child = targetNamed(parts.models.get(identity), call.alias)
      return call.added && child !== undefined ? { ...call, added: shown(child, call.added, parts) } : call
    }
    default:
      return call
  }
}

/** The record, and the records populated in it. */
function shown(identity: string, record: ModelRecord, parts: DiscreetParts): ModelRecord {
  const [model, hidden] = [parts.models.get(identity), parts.hidden(identity)]
  const entries = Object.entries(record).filter(([name]) => !hidden.has(name))
  return Object.fromEntries(
    entries.map(([name, value]) => {
      const target = targetNamed(model, name)
      return [name, target === undefined ? value : shownWithin(target, value, parts)]
    }),
  )
}

function shownWithin(identity: string, value: unknown, parts: DiscreetParts): unknown {
  if (Array.isArray(value)) return value.map(each => shownWithin(identity, each, parts))
  return value !== null && typeof value === 'object' ? shown(identity, value as ModelRecord, parts) : value
}

function targetNamed(model: Model | undefined, name: string): string | undefined {
  const association = model?.associations.find(({ alias }) => alias === name)
  return association && targetOf(association)
}
