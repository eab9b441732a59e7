import type { MessageKey } from './message-key.ts'

/** How long the feed waits for what a blueprint publishes, in milliseconds: beyond this it publishes by itself. */
const WAIT_MS = 3_000

/**
 * Who has published what of the changes of one request: the action itself, through a model's functions, or the feed. Of
 * each message only one copy is sent, whoever comes first.
 */
export class Publications {
  readonly #byAction = new Map<MessageKey, number>()
  readonly #byFeed = new Map<MessageKey, number>()
  readonly #saidByAction = new Set<MessageKey>()
  readonly #complete: Promise<void>
  /** Whether the action will publish by itself, as blueprints do. */
  readonly expected: boolean
  #resolve: () => void = () => {}

  constructor({ expected }: { readonly expected: boolean }) {
    this.expected = expected
    this.#complete = expected ? new Promise(resolve => (this.#resolve = resolve)) : Promise.resolve()
  }

  /** The action is about to publish. False when the feed has done so already. */
  byAction(key: MessageKey): boolean {
    if (take(this.#byFeed, key)) return false
    put(this.#byAction, key)
    this.#saidByAction.add(key)
    queueMicrotask(() => this.complete()) // a blueprint publishes everything in one go
    return true
  }

  /** The feed is about to publish. False when the action has done so already. */
  byFeed(key: MessageKey): boolean {
    if (take(this.#byAction, key)) return false
    put(this.#byFeed, key)
    return true
  }

  /** Whether the action has published this at all, however often. */
  saidByAction(key: MessageKey): boolean {
    return this.#saidByAction.has(key)
  }

  /** What the action publishes has been published, or it has been answered without. */
  complete(): void {
    this.#resolve()
  }

  /** Resolves when nothing more is to be expected of the action. */
  async completed(): Promise<void> {
    let late: NodeJS.Timeout | undefined
    await Promise.race([this.#complete, new Promise(resolve => (late = setTimeout(resolve, WAIT_MS)))])
    clearTimeout(late)
  }
}

const put = (counts: Map<MessageKey, number>, key: MessageKey) => counts.set(key, (counts.get(key) ?? 0) + 1)

function take(counts: Map<MessageKey, number>, key: MessageKey): boolean {
  const count = counts.get(key) ?? 0
  if (count > 1) counts.set(key, count - 1)
  else counts.delete(key)
  return count > 0
}
