import type { Client, Database } from '../db/connect.ts'
import { type Backend, backendOf, releaseLease, renewLease, type Term, takeLease } from './lease.ts'

/** A leader that has not renewed for this long stops publishing, before its lease expires. */
const TRUST_MS = 7_000

/** The monotonic clock stops while a machine is suspended, and the wall clock may be set back. Both must be recent. */
const now = () => ({ monotonic: performance.now(), wall: Date.now() })
const NEVER = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY }

/**
 * Elects one leader at a time through a lease: a row that other roles can neither read nor lock, which the leader
 * renews. A standby takes the lease when the leader's backend is gone (immediately after a crash) or when the lease has
 * expired (the leader's process is stopped).
 *
 * The former leader need not be terminated: it publishes only while its own clocks confirm the lease, and its
 * statements carry its term, which the server rejects once the term has ended.
 */
export class Election {
  readonly #db: Database
  readonly #node: string
  readonly #backend: Backend
  #term: Term | null = null
  #renewed = NEVER

  private constructor(db: Database, node: string, backend: Backend) {
    this.#db = db
    this.#node = node
    this.#backend = backend
  }

  /** Creates the election for a node that leads for as long as the connection of `client` lives. */
  static async of(client: Client, db: Database, node: string): Promise<Election> {
    return new Election(db, node, await backendOf(client))
  }

  /** The current term of this node; null while it does not lead. */
  get term(): Term | null {
    return this.#term
  }

  /** Whether this leader may still publish: no standby can have taken over. */
  get trusted(): boolean {
    const { monotonic, wall } = this.#renewed
    return this.#term !== null && performance.now() - monotonic < TRUST_MS && Date.now() - wall < TRUST_MS
  }

  /** Returns true when this node becomes the leader. */
  async campaign(): Promise<boolean> {
    const requestedAt = now()
    this.#term = await takeLease(this.#db, this.#node, this.#backend)
    if (this.#term !== null) this.#renewed = requestedAt
    return this.#term !== null
  }

  /** Throws when another node has taken the lease. */
  async renew(): Promise<void> {
    const requestedAt = now()
    const renewed = this.#term !== null && (await renewLease(this.#db, this.#term))
    if (!renewed) throw new Error('Leadership lost: another node holds the lease.')
    this.#renewed = requestedAt
  }

  /** Lets another node lead at once. */
  async resign(): Promise<void> {
    const term = this.#term
    this.#term = null
    if (term !== null) await releaseLease(this.#db, term)
  }
}
