import type { Logger } from '../logger.ts'

const MINUTE_MS = 60_000
/** How long a failure counts. */
const MINUTES = 60

/** Changes of one model that could not be published as they are, within the last hour. */
export interface ModelFailures {
  readonly identity: string
  readonly count: number
  /** When the last one was, in milliseconds since the epoch. */
  readonly at: number
  /** Message of the last one's error. */
  readonly reason: string
}

/**
 * Counts what could not be published. A fault in a model mostly concerns all of its rows, so it is logged with its stack
 * once, and again only after the model had no failure for an hour.
 */
export class Failures {
  readonly #logger: Logger
  readonly #models = new Map<string, FailureCount>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  note(identity: string, cursor: string, error: Error): void {
    const now = Date.now()
    const failures = this.#models.get(identity) ?? new FailureCount()
    const isFirst = failures.total(now) === 0
    failures.add(now, error.message)
    this.#models.set(identity, failures)
    const fields = { model: identity, cursor, error: error.message }
    if (isFirst) this.#logger.error('A change could not be published as it is', { ...fields, stack: stackOf(error) })
    else this.#logger.debug('A change could not be published as it is', fields)
  }

  /** The models that had any, the latest first. */
  recent(): ModelFailures[] {
    const now = Date.now()
    const models = [...this.#models].map(([identity, each]) => ({ identity, count: each.total(now), ...each.last }))
    return models.filter(({ count }) => count > 0).toSorted((a, b) => b.at - a.at)
  }
}

class FailureCount {
  last = { at: 0, reason: '' }
  /** By minutes since the epoch, oldest first. */
  readonly #byMinute = new Map<number, number>()

  add(at: number, reason: string): void {
    const minute = Math.floor(at / MINUTE_MS)
    this.#byMinute.set(minute, (this.#byMinute.get(minute) ?? 0) + 1)
    this.last = { at, reason }
  }

  total(now: number): number {
    for (const minute of this.#byMinute.keys()) {
      if (minute > now / MINUTE_MS - MINUTES) break
      this.#byMinute.delete(minute)
    }
    return [...this.#byMinute.values()].reduce((sum, count) => sum + count, 0)
  }
}

/** That of the code which threw in the first place, as `customToJSON`. */
const stackOf = ({ stack, cause }: Error) => (cause instanceof Error ? cause.stack : stack)
