import { currentSnapshot, hasChangesBetween } from '../change-log/position.ts'
import type { Database } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'

interface Waiter {
  /** The transactions that were committed when the caller started to wait. */
  readonly snapshot: string
  resolve(): void
  reject(error: Error): void
}

/** Callers that wait until all changes committed before their call have been published. */
export class CatchUpWaiters {
  readonly #db: Database
  readonly #waiters = new Set<Waiter>()
  #abandoned = false

  constructor(db: Database) {
    this.#db = db
  }

  async wait(onAsked: () => void): Promise<void> {
    const snapshot = await currentSnapshot(this.#db)
    if (this.#abandoned) throw stopped()
    await new Promise<void>((resolve, reject) => {
      this.#waiters.add({ snapshot, resolve, reject })
      onAsked()
    })
  }

  /**
   * Resolves the waiters whose changes are included in `published`, the snapshot of the last completely published tick.
   */
  async release(published: () => Promise<string | undefined>): Promise<void> {
    if (this.#waiters.size === 0) return
    const reached = await published()
    if (reached === undefined) return
    const done = new Map<string, boolean>() // concurrent waiters share a snapshot
    for (const waiter of [...this.#waiters]) {
      const { snapshot } = waiter
      if (!done.has(snapshot)) done.set(snapshot, !(await hasChangesBetween(this.#db, reached, snapshot)))
      if (!done.get(snapshot)) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  abandon(): void {
    this.#abandoned = true
    for (const waiter of this.#waiters) waiter.reject(stopped())
    this.#waiters.clear()
  }
}

const stopped = () => new ChangefeedError('E_STATE', 'The feed was stopped before these changes were published.')
