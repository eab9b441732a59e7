import type { ModelRecord } from '../../models/model.ts'
import type { MappedEvent } from '../deferred-events.ts'
import type { Stage, StageContext } from '../stage.ts'

/**
 * Formats `updated.data` as blueprints send it, for clients that depend on it: as Waterline passed it to the adapter,
 * with column names instead of attribute names, and JSON arrays as text.
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
