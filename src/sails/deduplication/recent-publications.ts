import type { MessageKey } from './message-key.ts'
import type { Decision, RequestPublications } from './publication-log.ts'

/**
 * Deduplicates changes that are not attributed to a request: a message of the app and one of the feed with the same key are
 * treated as copies if they are published within the window. It may drop the message of a second, real change.
 */
export class RecentPublications implements RequestPublications {
  readonly expected = false
  readonly #windowMs: number
  /** Publication times, oldest first. */
  readonly #byAction = new Map<MessageKey, number>()
  readonly #byFeed = new Map<MessageKey, number>()

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** Records that the app is about to publish. Returns false if the feed has published the same within the window. */
  byAction(keys: readonly MessageKey[]): boolean {
    return this.#record(keys, this.#byFeed, this.#byAction)
  }

  /** Decides on a message that the feed is about to publish. */
  byFeed(keys: readonly MessageKey[]): Decision {
    return this.#record(keys, this.#byAction, this.#byFeed) ? 'new' : 'duplicate'
  }

  #record(keys: readonly MessageKey[], others: Map<MessageKey, number>, own: Map<MessageKey, number>): boolean {
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
