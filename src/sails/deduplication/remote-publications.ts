import { parseOrigin } from '../../publish/origin.ts'
import type { ClusterBus } from './cluster-bus.ts'
import type { MessageKey } from './message-key.ts'
import { Publications, type RequestPublications } from './publication-log.ts'

/** Requests of other processes that are remembered at once. */
const REMEMBERED = 10_000

/**
 * What the actions of other processes have published through the cluster adapter of socket.io, and so to the sockets of
 * this process too.
 */
export class RemotePublications {
  readonly #bus: ClusterBus | undefined
  /** By origin, oldest first. */
  readonly #known = new Map<string, Publications>()
  #stopListening: (() => void) | undefined

  /** Without peers, all that can be thought of their blueprints is that they told everything. */
  constructor(bus: ClusterBus | undefined) {
    this.#bus = bus
  }

  attach(): void {
    this.#stopListening = this.#bus?.listen(this.#hear)
  }

  detach(): void {
    this.#stopListening?.()
  }

  /** An action of this process has published, or will no more. */
  tell(origin: string, keys: readonly MessageKey[]): void {
    this.#bus?.tell(origin, keys)
  }

  /** Waits for the announcement where one is to be expected of what was written just now, `at`: its process may be gone. */
  async find(origin: string, at: number): Promise<RequestPublications | undefined> {
    const { blueprint } = parseOrigin(origin) ?? {}
    if (!this.#bus) return blueprint ? EVERYTHING : undefined
    if (!this.#known.has(origin) && !blueprint) return undefined
    const publications = this.#publications(origin, blueprint === true)
    await publications.completed(Math.min(at, Date.now())) // by two clocks, so never for longer
    return publications
  }

  readonly #hear = (origin: unknown, keys: unknown) => {
    if (typeof origin !== 'string' || !Array.isArray(keys)) return
    const { node, blueprint } = parseOrigin(origin) ?? {}
    if (node === undefined) return
    const publications = this.#publications(origin, blueprint === true)
    for (const key of keys) if (typeof key === 'string') publications.note(key)
    publications.complete()
  }

  #publications(origin: string, expected: boolean): Publications {
    const publications = this.#known.get(origin) ?? new Publications({ expected })
    this.#known.delete(origin)
    this.#known.set(origin, publications)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED) break
      this.#known.delete(oldest)
    }
    return publications
  }
}

const EVERYTHING: RequestPublications = { expected: true, byFeed: () => 'duplicate' }
