import type { Server } from 'socket.io'
import { parseOrigin } from '../publish/origin.ts'
import type { MessageKey } from './message-key.ts'
import { Publications, type Told } from './publications.ts'

const EVENT = 'changefeed:published'
/** Requests of other processes that are remembered at once. */
const REMEMBERED = 10_000

/**
 * What the actions of other processes have published through the cluster adapter of socket.io, and so to the sockets of
 * this process too. Each process tells the others, over that adapter.
 */
export class Announcements {
  readonly #io: Server
  readonly #canTell: boolean
  /** By origin, oldest first. */
  readonly #known = new Map<string, Publications>()
  /** Processes that did not answer in time: they may be gone. */
  readonly #silent = new Set<string>()

  constructor(io: Server) {
    this.#io = io
    this.#canTell = carriesWords(io)
  }

  attach(): void {
    this.#io.of('/').on(EVENT, this.#hear)
  }

  detach(): void {
    this.#io.of('/').off(EVENT, this.#hear)
  }

  /** An action of this process has published, or will no more. */
  tell(origin: string, keys: readonly MessageKey[]): void {
    if (this.#canTell) this.#io.serverSideEmit(EVENT, origin, keys)
  }

  /** Waits for the announcement where one is to be expected. */
  async find(origin: string): Promise<Told | undefined> {
    const { node, blueprint } = parseOrigin(origin) ?? {}
    if (node === undefined) return undefined
    if (!this.#canTell) return blueprint ? EVERYTHING : undefined
    if (!this.#known.has(origin) && (!blueprint || this.#silent.has(node))) return undefined
    const publications = this.#publications(origin, blueprint === true)
    if (!(await publications.completed())) this.#silent.add(node)
    return publications
  }

  readonly #hear = (origin: unknown, keys: unknown) => {
    const { node, blueprint } = parseOrigin(String(origin)) ?? {}
    if (node === undefined || !Array.isArray(keys)) return
    this.#silent.delete(node)
    const publications = this.#publications(String(origin), blueprint === true)
    for (const key of keys) publications.note(String(key))
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

/** All that can be thought of a blueprint where the adapter carries messages to sockets, but no words between servers. */
const EVERYTHING: Told = { expected: true, byFeed: () => false, saidByAction: () => true }

/** The base class of the adapters has the function too, and complains when it is called. */
function carriesWords(io: Server): boolean {
  let prototype: unknown = io.of('/').adapter
  while (prototype && !Object.hasOwn(prototype, 'serverSideEmit')) prototype = Object.getPrototypeOf(prototype)
  return prototype !== null && (prototype as object).constructor.name !== 'Adapter'
}
