import type { Client, Database } from '../db/connect.ts'
import { type Backend, backendOf, releaseLease, renewLease, type Term, takeLease } from './lease.ts'

/** A leader that could not renew for this long stops publishing by itself, before the lease expires. */
const TRUST_MS = 7_000

/** The monotonic clock stands still while a machine is suspended, and the other may be set back: the later one counts. */
const now = () => ({ monotonic: performance.now(), wall: Date.now() })
const NEVER = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY }

/**
 * One leader at a time, by a lease: a row of ours, which other roles can neither read nor lock. The leader renews it. A
 * standby takes it when the leader's backend is gone, which is at once after a crash, or when it has expired, as when
 * the leader's process is stopped. Nobody need be able to end the former leader: it trusts itself only while its own
 * clocks say that the lease is fresh, and what it still sends to the server names its term, which is over.
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

  /** For a node that leads as long as the connection of `client` lives. */
  static async of(client: Client, db: Database, node: string): Promise<Election> {
    return new Election(db, node, await backendOf(client))
  }

  /** Of this node as the leader; null while it does not lead. */
  get term(): Term | null {
    return this.#term
  }

  /** Whether what this leader reads may still be published: no standby can have taken over. */
  get trusted(): boolean {
    const { monotonic, wall } = this.#renewed
    return this.#term !== null && performance.now() - monotonic < TRUST_MS && Date.now() - wall < TRUST_MS
  }

  /** True when this node leads from now on. */
  async campaign(): Promise<boolean> {
    const asked = now()
    this.#term = await takeLease(this.#db, this.#node, this.#backend)
    if (this.#term !== null) this.#renewed = asked
    return this.#term !== null
  }

  /** Throws when another node has taken the lease. */
  async renew(): Promise<void> {
    const asked = now()
    const renewed = this.#term !== null && (await renewLease(this.#db, this.#term))
    if (!renewed) throw new Error('Another node has taken the lead.')
    this.#renewed = asked
  }

  /** Lets another node lead at once. */
  async resign(): Promise<void> {
    const term = this.#term
    this.#term = null
    if (term !== null) await releaseLease(this.#db, term)
  }
}
