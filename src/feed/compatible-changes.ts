import type { ModelRecord } from '../ontology/model.ts'
import type { PublishCall } from '../publish/call.ts'
import type { Circumstances, Stage } from './stage.ts'

/**
 * `updated.data` as blueprints send it, for clients that depend on it: what Waterline gave to its adapter, so by column
 * name instead of attribute name, and a JSON array as its text.
 */
export class CompatibleChanges implements Stage {
  revise(calls: PublishCall[], { change: { model } }: Circumstances): PublishCall[] {
    return calls.map(call => {
      const isOwn = call.fn === 'publishUpdate' && call.identity === model.identity && call.previous !== undefined
      return isOwn ? { ...call, changes: asWritten(call.changes) } : call
    })

    function asWritten(changes: ModelRecord): ModelRecord {
      const entries = Object.entries(changes).map(([name, value]) => {
        const attribute = model.attributes.get(name)
        const text = attribute?.type === 'json' && Array.isArray(value) ? JSON.stringify(value) : value
        return [attribute?.column ?? name, text]
      })
      return Object.fromEntries(entries)
    }
  }
}
