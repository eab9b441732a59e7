import { createHash, randomBytes } from 'node:crypto'
import { BoundedMap } from '../bounded-map.ts'

/** Browsers that are signed in, by random ids; hashes are kept, so that memory shows no id that could be used. */
export class Sessions {
  readonly #ends: BoundedMap<string, number>
  readonly #limits: SessionLimits

  constructor(limits: SessionLimits) {
    this.#limits = limits
    this.#ends = new BoundedMap({ count: limits.count })
  }

  /** The id of a new session. With too many, the oldest ends. */
  open(now = Date.now()): string {
    const id = randomBytes(32).toString('base64url')
    this.#ends.set(hash(id), now + this.#limits.lifetimeMs)
    return id
  }

  has(id: string, now = Date.now()): boolean {
    const end = this.#ends.get(hash(id))
    return end !== undefined && now < end
  }

  close(id: string): void {
    this.#ends.delete(hash(id))
  }
}

export interface SessionLimits {
  readonly count: number
  readonly lifetimeMs: number
}

const hash = (id: string) => createHash('sha256').update(id).digest('base64')
