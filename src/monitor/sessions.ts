import { createHash, randomBytes } from 'node:crypto'
import { BoundedMap } from '../bounded-map.ts'

/** Signed-in browsers by random session ids. Only hashes are kept, so that a memory dump contains no usable id. */
export class Sessions {
  readonly #ends: BoundedMap<string, number>
  readonly #limits: SessionLimits

  constructor(limits: SessionLimits) {
    this.#limits = limits
    this.#ends = new BoundedMap({ count: limits.count })
  }

  /** Opens a session and returns its id. Above the limit, the oldest session is closed. */
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
