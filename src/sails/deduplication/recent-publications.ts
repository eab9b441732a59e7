import type { MessageKey } from './message-key.ts'
import type { Decision, RequestPublications } from './publication-log.ts'

/**
 * Takes two messages of the same kind about the same record for two copies of one when they come shortly after each
 * other, one from the app and one from the feed. For changes that no request is known of; it may swallow the second of
 * two real changes.
 */
export class RecentPublications implements RequestPublications {
  readonly expected = false
  readonly #windowMs: number
  /** When each was published, oldest first. */
  readonly #byAction = new Map<MessageKey, number>()
  readonly #byFeed = new Map<MessageKey, number>()

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** The app is about to publish. False when the feed has just done so. */
  byAction(keys: readonly MessageKey[]): boolean {
    return this.#meet(keys, this.#byFeed, this.#byAction)
  }

  /** The feed is about to publish. */
  byFeed(keys: readonly MessageKey[]): Decision {
    return this.#meet(keys, this.#byAction, this.#byFeed) ? 'new' : 'duplicate'
  }

  #meet(keys: readonly MessageKey[], others: Map<MessageKey, number>, own: Map<MessageKey, number>): boolean {
    const now = performance.now()
    for (const times of [others, own]) this.#forget(times, now)
    if (keys.filter(key => others.delete(key)).length > 0) return false
    for (const key of keys) {
      own.delete(key)
      own.set(key, now)
    }
    return true
  }

  #forget(times: Map<MessageKey, number>, now: number) {
    for (const [key, at] of times) {
      if (now - at <= this.#windowMs) return
      times.delete(key)
    }
  }
}
