import type { Database } from '../db/connect.ts'
import { currentSnapshot } from './position.ts'

/**
 * Takes snapshots for many callers at once: one query at a time, whose result is for all who asked before it began. So
 * each caller gets a snapshot that is younger than its call.
 */
export class SharedSnapshots {
  readonly #db: Database
  #underway: Promise<unknown> = Promise.resolve()
  #next: Promise<string> | undefined

  constructor(db: Database) {
    this.#db = db
  }

  take(): Promise<string> {
    this.#next ??= this.#underway.then(() => this.#begin())
    return this.#next
  }

  #begin(): Promise<string> {
    this.#next = undefined
    const snapshot = currentSnapshot(this.#db)
    this.#underway = snapshot.catch(() => {}) // the callers handle the error
    return snapshot
  }
}
