import { compositeKey } from '../composite-key.ts'
import type { Logger } from '../logger.ts'
import type { ModelRecord } from '../models/model.ts'
import type { RecordEvent } from '../publish/mapping/record-event.ts'

/**
 * Levels of objects and lists in one attribute. What encodes a message recurses: socket.io fails at some thousand levels,
 * and the Postgres adapter refuses a message of 100, with an error that nobody receives.
 */
const MAX_DEPTH = 64

/** Leaves out attributes that are nested too deeply to be sent, so that the rest of the record is. */
export class DeepValues {
  readonly #logger: Logger
  readonly #reported = new Set<string>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  without(identity: string, record: ModelRecord): ModelRecord {
    const deep = Object.keys(record).filter(name => isDeeperThan(MAX_DEPTH, record[name]))
    if (deep.length === 0) return record
    for (const name of deep) this.#report(identity, name)
    return Object.fromEntries(Object.entries(record).filter(([name]) => !deep.includes(name)))
  }

  /** The event with records that can be sent: `customToJSON` and populated records may have added to their depth. */
  withoutIn(event: RecordEvent): RecordEvent {
    const { identity } = event
    const previous = 'previous' in event && event.previous ? { previous: this.without(identity, event.previous) } : {}
    switch (event.verb) {
      case 'created':
        return { ...event, record: this.without(identity, event.record) }
      case 'updated':
        return { ...event, changes: this.without(identity, event.changes), ...previous }
      case 'destroyed':
        return { ...event, ...previous }
      default:
        return event
    }
  }

  #report(identity: string, attribute: string) {
    const key = compositeKey(identity, attribute)
    if (this.#reported.has(key)) return
    this.#reported.add(key)
    this.#logger.warn(
      'An attribute is nested too deeply to be sent: records are published without it where it is. Logged once',
      { model: identity, attribute, maxDepth: MAX_DEPTH },
    )
  }
}

/** Recurses no further than the limit. */
function isDeeperThan(levels: number, value: unknown): boolean {
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return false
  if (levels === 0) return true
  const members: unknown[] = Array.isArray(value) ? value : Object.values(value)
  return members.some(member => isDeeperThan(levels - 1, member))
}
