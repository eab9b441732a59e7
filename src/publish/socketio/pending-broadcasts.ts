import type { Server } from 'socket.io'

type Adapter = ReturnType<Server['of']>['adapter']

/**
 * The messages that a cluster adapter sends to the sockets of this process only once its backend has accepted them, as the
 * Postgres adapter does. Their receivers are the members of the rooms at that time.
 */
export class PendingBroadcasts {
  static readonly #known = new WeakMap<Adapter, PendingBroadcasts>()
  readonly #pending = new Set<Promise<unknown>>()

  private constructor(adapter: Adapter) {
    const broadcast = adapter.broadcast.bind(adapter)
    adapter.broadcast = (...args) => {
      const result: unknown = broadcast(...args)
      if (result instanceof Promise) this.#keep(result)
    }
  }

  /** One instance per adapter. */
  static of(io: Server): PendingBroadcasts {
    const { adapter } = io.of('/')
    const known = PendingBroadcasts.#known.get(adapter) ?? new PendingBroadcasts(adapter)
    PendingBroadcasts.#known.set(adapter, known)
    return known
  }

  /** Resolves when all earlier messages have been sent to the sockets of this process. Undefined if they have. */
  get settled(): Promise<void> | undefined {
    return this.#pending.size === 0 ? undefined : Promise.allSettled(this.#pending).then(() => {})
  }

  #keep(sending: Promise<unknown>) {
    this.#pending.add(sending)
    const done = () => void this.#pending.delete(sending)
    sending.then(done, done)
  }
}
