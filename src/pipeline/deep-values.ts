import { compositeKey } from '../composite-key.ts'
import type { Logger } from '../logger.ts'
import type { ModelRecord } from '../models/model.ts'
import type { RecordEvent } from '../publish/mapping/record-event.ts'

/**
 * Maximum levels of objects and lists in one attribute. Message encoders recurse: socket.io fails at a few thousand
 * levels, and the Postgres adapter rejects messages with 100 levels, with an error that nobody receives.
 */
const MAX_DEPTH = 64

/** Omits attributes that are nested too deeply, so that the rest of the record can be sent. */
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

  /** The event without attributes that cannot be sent. `customToJSON` and population may have added to their depth. */
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
      'An attribute is nested too deeply to send: such records are published without it. Logged once per attribute',
      { model: identity, attribute, maxDepth: MAX_DEPTH },
    )
  }
}

/** Does not recurse beyond the limit. */
function isDeeperThan(levels: number, value: unknown): boolean {
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return false
  if (levels === 0) return true
  const members: unknown[] = Array.isArray(value) ? value : Object.values(value)
  return members.some(member => isDeeperThan(levels - 1, member))
}
