import { BoundedMap } from '../../bounded-map.ts'
import type { MessageKey } from './message-key.ts'
import type { Decision, RequestPublications } from './publication-log.ts'

/** By `performance.now()`. */
type PublicationTimes = BoundedMap<MessageKey, number>

/**
 * Deduplicates changes that are not attributed to a request: a message of the app and one of the feed with the same key are
 * treated as copies if they are published within the window. It may drop the message of a second, real change.
 */
export class RecentPublications implements RequestPublications {
  readonly expected = false
  readonly #windowMs: number
  readonly #byAction: PublicationTimes
  readonly #byFeed: PublicationTimes

  constructor(windowMs: number) {
    this.#windowMs = windowMs
    this.#byAction = new BoundedMap({ ageMs: windowMs })
    this.#byFeed = new BoundedMap({ ageMs: windowMs })
  }

  /** Records that the app is about to publish. Returns false if the feed has published the same within the window. */
  byAction(keys: readonly MessageKey[]): boolean {
    return this.#record(keys, this.#byFeed, this.#byAction)
  }

  /** Decides on a message that the feed is about to publish. */
  byFeed(keys: readonly MessageKey[]): Decision {
    return this.#record(keys, this.#byAction, this.#byFeed) ? 'new' : 'duplicate'
  }

  #record(keys: readonly MessageKey[], others: PublicationTimes, own: PublicationTimes): boolean {
    const now = performance.now()
    if (keys.filter(key => this.#take(others, key, now)).length > 0) return false
    for (const key of keys) own.set(key, now)
    return true
  }

  #take(times: PublicationTimes, key: MessageKey, now: number): boolean {
    const at = times.get(key)
    times.delete(key)
    return at !== undefined && now - at <= this.#windowMs
  }
}
