import type { ModelFailures } from '../leader/node-health.ts'
import type { Logger } from '../logger.ts'

const MINUTE_MS = 60_000
/** How long a failure counts. */
const MINUTES = 60

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
    const isFirst = this.#add(identity, error.message, stackOf(error) ?? null)
    const fields = { model: identity, cursor, error: error.message }
    if (isFirst) this.#logger.error('A change could not be published as it is', { ...fields, stack: stackOf(error) })
    else this.#logger.debug('A change could not be published as it is', fields)
  }

  /** A row that the trigger could not log as it is. */
  noteDefect(identity: string, cursor: string, defect: string | null): void {
    this.#add(identity, `Its row could not be logged: ${defect}`, null)
    this.#logger.error('A change was logged without its row: clients are told to read again', {
      model: identity,
      cursor,
      defect,
    })
  }

  /** Whether it is the model's first within the hour. */
  #add(identity: string, reason: string, stack: string | null): boolean {
    const now = Date.now()
    const failures = this.#models.get(identity) ?? new FailureCount()
    const isFirst = failures.total(now) === 0
    failures.add({ at: now, reason: bounded(reason), stack: stack && bounded(stack) })
    this.#models.set(identity, failures)
    return isFirst
  }

  /** The models that had any, the latest first. */
  recent(): ModelFailures[] {
    const now = Date.now()
    const models = [...this.#models].map(([identity, each]) => ({ identity, count: each.total(now), ...each.last }))
    return models.filter(({ count }) => count > 0).toSorted((a, b) => b.at - a.at)
  }
}

class FailureCount {
  last: Omit<ModelFailures, 'identity' | 'count'> = { at: 0, reason: '', stack: null }
  /** By minutes since the epoch, oldest first. */
  readonly #byMinute = new Map<number, number>()

  add(last: FailureCount['last']): void {
    const minute = Math.floor(last.at / MINUTE_MS)
    this.#byMinute.set(minute, (this.#byMinute.get(minute) ?? 0) + 1)
    this.last = last
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

const TEXT_LENGTH = 2_000

/** What is kept of a text of somebody else's. */
export const bounded = (text: string): string => text.slice(0, TEXT_LENGTH)
