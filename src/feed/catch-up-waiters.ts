import { currentSnapshot, hasChangesBetween } from '../change-log/position.ts'
import type { Database } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'

interface Waiter {
  /** What had been committed when the caller asked. */
  readonly snapshot: string
  resolve(): void
  reject(error: Error): void
}

/** The callers that wait until everything committed before they asked has been published. */
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

  /** Tells those whose changes are all behind `published`, the snapshot of the last tick that was published as a whole. */
  async release(published: () => Promise<string | undefined>): Promise<void> {
    if (this.#waiters.size === 0) return
    const reached = await published()
    if (reached === undefined) return
    const done = new Map<string, boolean>() // many who ask at once have the same snapshot
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
