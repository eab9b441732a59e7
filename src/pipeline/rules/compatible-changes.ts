import type { ModelRecord } from '../../models/model.ts'
import type { MappedEvent } from '../deferred-events.ts'
import type { Stage, StageContext } from '../stage.ts'

/**
 * `updated.data` as blueprints send it, for clients that depend on it: what Waterline gave to its adapter, so by column
 * name instead of attribute name, and a JSON array as its text.
 */
export class CompatibleChanges implements Stage {
  revise(events: MappedEvent[], { change: { model } }: StageContext): MappedEvent[] {
    return events.map(event => {
      const isOwn = event.verb === 'updated' && event.identity === model.identity && event.previous !== undefined
      return isOwn ? { ...event, changes: asWritten(event.changes) } : event
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
