import type { ModelRecord } from '../ontology/model.ts'
import type { MessageMeta, PublishCall } from '../publish/call.ts'
import type { Publisher } from '../publish/publisher.ts'

/** Publishes what it is given without the attributes that clients of a model must not see, wherever the calls come from. */
export function discreetPublisher(
  publisher: Publisher,
  hidden: (identity: string) => ReadonlySet<string>,
): { publish(call: PublishCall, meta: MessageMeta): void | Promise<void> } {
  const shown = (identity: string, record: ModelRecord) =>
    Object.fromEntries(Object.entries(record).filter(([name]) => !hidden(identity).has(name)))
  return { publish: (call, meta) => publisher.publish(discreet(call, shown), meta) }
}

type Show = (identity: string, record: ModelRecord) => ModelRecord

function discreet(call: PublishCall, shown: Show): PublishCall {
  const { identity } = call
  const previous =
    'previous' in call && call.previous !== undefined ? { previous: shown(identity, call.previous) } : undefined
  switch (call.fn) {
    case 'publishCreate':
      return { ...call, record: shown(identity, call.record) }
    case 'publishUpdate':
      return { ...call, changes: shown(identity, call.changes), ...previous }
    case 'publishDestroy':
      return { ...call, ...previous }
    default:
      return call
  }
}
