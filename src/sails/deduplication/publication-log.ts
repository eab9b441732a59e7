import type { MessageKey } from './message-key.ts'

/** How long the feed waits for what a blueprint publishes of all it wrote, in milliseconds: beyond this it publishes by itself. */
const WAIT_MS = 3_000

/** Messages of the feed that are remembered at once: those before them the action may publish again. */
const REMEMBERED = 10_000

export interface PublicationsOptions {
  /** Whether the action will publish by itself, as blueprints do. */
  readonly expected: boolean
  /** Called with what the action has published, as it goes; with nothing when it was answered without more. */
  readonly onPublished?: (keys: readonly MessageKey[]) => unknown
}

/**
 * What a message of the feed is: told by nobody yet, or by the action; or told by the action before the feed told what
 * had been done to the same earlier. Then the earlier would stand as the last word, unless this is told once more.
 */
export type Decision = 'new' | 'duplicate' | 'outOfOrder'

/** What the feed has to know of the publications of one request. */
export type RequestPublications = Pick<Publications, 'expected' | 'byFeed'>

/**
 * Who has published what of the changes of one request: the action itself, through a model's functions, or the feed. Of
 * each message only one copy is sent, whoever comes first.
 */
export class Publications {
  readonly expected: boolean
  readonly #onPublished: (keys: readonly MessageKey[]) => unknown
  /** When, by `performance.now()`. */
  readonly #byAction = new Map<MessageKey, number[]>()
  readonly #byFeed = new Map<MessageKey, number>()
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
   * The action is about to publish a message, of which these are the keys; `shown` are those of others that it makes
   * needless. False when the feed has done so already.
   */
  byAction(keys: readonly MessageKey[], shown: readonly MessageKey[] = []): boolean {
    if (keys.filter(key => take(this.#byFeed, key)).length > 0) return false
    // A blueprint publishes everything in one go.
    if (this.#latest.length === 0) queueMicrotask(() => this.complete())
    for (const key of [...keys, ...shown]) this.note(key)
    this.#latest.push(...keys, ...shown)
    return true
  }

  /** The action has published, here or in another process. */
  note(key: MessageKey): void {
    this.#byAction.set(key, [...(this.#byAction.get(key) ?? []), performance.now()])
  }

  /**
   * The feed is about to publish what has any of these keys. `spokenAt`: when it last spoke of the same, by
   * `performance.now()`.
   */
  byFeed(keys: readonly MessageKey[], spokenAt = 0): Decision {
    const saidAt = keys.flatMap(key => this.#takeSaid(key) ?? [])
    if (saidAt.length > 0) return Math.max(...saidAt) < spokenAt ? 'outOfOrder' : 'duplicate'
    for (const key of keys) this.#byFeed.set(key, (this.#byFeed.get(key) ?? 0) + 1)
    while (this.#byFeed.size > REMEMBERED) this.#byFeed.delete(this.#byFeed.keys().next().value ?? '')
    return 'new'
  }

  /** When the action has published it. */
  #takeSaid(key: MessageKey): number | undefined {
    const [saidAt, ...others] = this.#byAction.get(key) ?? []
    if (others.length > 0) this.#byAction.set(key, others)
    else this.#byAction.delete(key)
    return saidAt
  }

  /** What the action publishes has been published, or it has been answered without. */
  complete(): void {
    const news = this.#latest.splice(0)
    if (news.length > 0 || !this.#isComplete) this.#onPublished(news)
    this.#isComplete = true
    this.#resolve()
  }

  /** Resolves when nothing more is to be expected of the action, or too much time has passed `since` it wrote. */
  async completed(since = Date.now()): Promise<void> {
    const waitMs = Math.max(since + WAIT_MS - Date.now(), 0)
    const timer = setTimeout(this.#resolve, waitMs) // once for all of its changes
    await this.#complete
    clearTimeout(timer)
  }
}

function take(counts: Map<MessageKey, number>, key: MessageKey): boolean {
  const count = counts.get(key) ?? 0
  if (count > 1) counts.set(key, count - 1)
  else counts.delete(key)
  return count > 0
}
