import { BoundedMap } from '../../bounded-map.ts'
import type { MessageKey } from './message-key.ts'

/** How long the feed waits for a blueprint to publish after its last write, in milliseconds. Then the feed publishes. */
const WAIT_MS = 3_000

/** Maximum number of remembered feed messages per request. Older ones are no longer deduplicated. */
const REMEMBERED = 10_000

export interface PublicationsOptions {
  /** Whether the action publishes by itself, as blueprints do. */
  readonly expected: boolean
  /** Called with the keys that the action has published; with an empty array if it responds without publishing. */
  readonly onPublished?: (keys: readonly MessageKey[]) => unknown
}

/**
 * How to treat a feed message.
 * - `new`: not published yet.
 * - `duplicate`: the action has already published it.
 * - `outOfOrder`: the action published it before the feed published an earlier change of the same subject. It is resent, so
 *   that clients end on the newest state.
 */
export type Decision = 'new' | 'duplicate' | 'outOfOrder'

/** The view of one request's publications that the feed needs. */
export type RequestPublications = Pick<Publications, 'expected' | 'byFeed'>

/**
 * Deduplicates the messages about the changes of one request between the action, which publishes through a model's
 * functions, and the feed. The first of two copies is sent.
 */
export class Publications {
  readonly expected: boolean
  readonly #onPublished: (keys: readonly MessageKey[]) => unknown
  /** Publication times by `performance.now()`. */
  readonly #byAction = new Map<MessageKey, number[]>()
  /** How often. */
  readonly #byFeed = new BoundedMap<MessageKey, number>({ count: REMEMBERED })
  readonly #complete: Promise<void>
  #resolve: () => void = () => {}
  #latest: MessageKey[] = []
  #isComplete = false

  constructor({ expected, onPublished = () => {} }: PublicationsOptions) {
    this.expected = expected
    this.#onPublished = onPublished
    this.#complete = expected ? new Promise(resolve => (this.#resolve = resolve)) : Promise.resolve()
  }

  /**
   * Records that the action is about to publish a message with these keys. `shown`: keys of other messages that it makes
   * redundant. Returns false if the feed has already published it.
   */
  byAction(keys: readonly MessageKey[], shown: readonly MessageKey[] = []): boolean {
    if (keys.filter(key => take(this.#byFeed, key)).length > 0) return false
    // A blueprint publishes all its messages synchronously.
    if (this.#latest.length === 0) queueMicrotask(() => this.complete())
    for (const key of [...keys, ...shown]) this.note(key)
    this.#latest.push(...keys, ...shown)
    return true
  }

  /** Records a message that the action has published, in this or in another process. */
  note(key: MessageKey): void {
    this.#byAction.set(key, [...(this.#byAction.get(key) ?? []), performance.now()])
  }

  /**
   * Decides on a message with these keys that the feed is about to publish. `lastByFeed`: `performance.now()` of the feed's
   * last message about the same subject.
   */
  byFeed(keys: readonly MessageKey[], lastByFeed = 0): Decision {
    const byActionAt = keys.flatMap(key => this.#takeByAction(key) ?? [])
    if (byActionAt.length > 0) return Math.max(...byActionAt) < lastByFeed ? 'outOfOrder' : 'duplicate'
    for (const key of keys) this.#byFeed.set(key, (this.#byFeed.get(key) ?? 0) + 1)
    return 'new'
  }

  /** Removes and returns the time of the action's oldest publication of this key. */
  #takeByAction(key: MessageKey): number | undefined {
    const [publishedAt, ...others] = this.#byAction.get(key) ?? []
    if (others.length > 0) this.#byAction.set(key, others)
    else this.#byAction.delete(key)
    return publishedAt
  }

  /** Call when the action has published its messages, or has responded without publishing. */
  complete(): void {
    const published = this.#latest.splice(0)
    if (published.length > 0 || !this.#isComplete) this.#onPublished(published)
    this.#isComplete = true
    this.#resolve()
  }

  /** Resolves when the action is complete, or {@link WAIT_MS} after `since`, the time of its last write. */
  async completed(since = Date.now()): Promise<void> {
    const waitMs = Math.max(since + WAIT_MS - Date.now(), 0)
    const timer = setTimeout(this.#resolve, waitMs) // resolves for all waiting changes of the request
    await this.#complete
    clearTimeout(timer)
  }
}

function take(counts: BoundedMap<MessageKey, number>, key: MessageKey): boolean {
  const count = counts.get(key) ?? 0
  if (count > 1) counts.set(key, count - 1)
  else counts.delete(key)
  return count > 0
}
