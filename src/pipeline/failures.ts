import { HourlyCount } from '../hourly-count.ts'
import type { ModelFailures } from '../leader/node-health.ts'
import type { Logger } from '../logger.ts'

/**
 * Counts failures to publish. A fault in a model usually affects all of its rows, so it is logged with its stack once,
 * and again after an hour without failures.
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
    if (isFirst) this.#logger.error('A change could not be fully published', { ...fields, stack: stackOf(error) })
    else this.#logger.debug('A change could not be fully published', fields)
  }

  /** Counts a row that the trigger could not log. */
  noteDefect(identity: string, cursor: string, defect: string | null): void {
    this.#add(identity, `Its row could not be logged: ${defect}`, null)
    this.#logger.error('A change was logged without its row: clients receive refetch', {
      model: identity,
      cursor,
      defect,
    })
  }

  /** Returns whether it is the model's first failure within the hour. */
  #add(identity: string, reason: string, stack: string | null): boolean {
    const now = Date.now()
    const failures = this.#models.get(identity) ?? new FailureCount()
    const isFirst = failures.total(now) === 0
    failures.add({ at: now, reason: bounded(reason), stack: stack && bounded(stack) })
    this.#models.set(identity, failures)
    return isFirst
  }

  /** Models with failures, most recent first. */
  recent(): ModelFailures[] {
    const now = Date.now()
    const models = [...this.#models].map(([identity, each]) => ({ identity, count: each.total(now), ...each.last }))
    return models.filter(({ count }) => count > 0).toSorted((a, b) => b.at - a.at)
  }
}

class FailureCount {
  last: Omit<ModelFailures, 'identity' | 'count'> = { at: 0, reason: '', stack: null }
  readonly #count = new HourlyCount()

  add(last: FailureCount['last']): void {
    this.#count.add(last.at)
    this.last = last
  }

  total(now: number): number {
    return this.#count.total(now)
  }
}

/** The stack of the original error, for example from `customToJSON`. */
const stackOf = ({ stack, cause }: Error) => (cause instanceof Error ? cause.stack : stack)

const TEXT_LENGTH = 2_000

/** Limits the length of an external text. */
export const bounded = (text: string): string => text.slice(0, TEXT_LENGTH)
