import { BoundedMap } from '../../bounded-map.ts'
import { parseOrigin } from '../../publish/origin.ts'
import type { ClusterBus } from './cluster-bus.ts'
import type { MessageKey } from './message-key.ts'
import { Publications, type RequestPublications } from './publication-log.ts'

/** Maximum number of remembered requests of other processes. */
const REMEMBERED = 10_000

/**
 * The messages that actions of other processes have published through the socket.io cluster adapter, and so to the sockets
 * of this process as well.
 */
export class RemotePublications {
  readonly #bus: ClusterBus | undefined
  /** By origin. */
  readonly #known = new BoundedMap<string, Publications>({ count: REMEMBERED })
  #stopListening: (() => void) | undefined

  /** Without a bus, blueprints of other processes are assumed to have published all their messages. */
  constructor(bus: ClusterBus | undefined) {
    this.#bus = bus
  }

  attach(): void {
    this.#stopListening = this.#bus?.listen(this.#receive)
  }

  detach(): void {
    this.#stopListening?.()
  }

  /** Notifies the other processes that an action of this process has published, or is complete. */
  announce(origin: string, keys: readonly MessageKey[]): void {
    this.#bus?.announce(origin, keys)
  }

  /** Waits for the announcement of a blueprint that wrote `at` this time, for a limited time as its process may have died. */
  async find(origin: string, at: number): Promise<RequestPublications | undefined> {
    const { blueprint } = parseOrigin(origin) ?? {}
    if (!this.#bus) return blueprint ? EVERYTHING : undefined
    if (!this.#known.has(origin) && !blueprint) return undefined
    const publications = this.#publications(origin, blueprint === true)
    await publications.completed(Math.min(at, Date.now())) // the clocks of two machines differ: never wait longer than for a write made now
    return publications
  }

  readonly #receive = (origin: unknown, keys: unknown) => {
    if (typeof origin !== 'string' || !Array.isArray(keys)) return
    const { node, blueprint } = parseOrigin(origin) ?? {}
    if (node === undefined) return
    const publications = this.#publications(origin, blueprint === true)
    for (const key of keys) if (typeof key === 'string') publications.note(key)
    publications.complete()
  }

  #publications(origin: string, expected: boolean): Publications {
    const publications = this.#known.get(origin) ?? new Publications({ expected })
    this.#known.set(origin, publications)
    return publications
  }
}

const EVERYTHING: RequestPublications = { expected: true, byFeed: () => 'duplicate' }
