import type { Server, Socket } from 'socket.io'
import type { FeedSnapshot } from '../feed-snapshot.ts'

/** The last read of a socket. */
export interface ListRead {
  /** Taken after it. Undefined if it has no unpublished changes, or none is known; null until that is known. */
  after: FeedSnapshot | undefined | null
}

/**
 * What the sockets that have not caught up yet have read. A record that was destroyed before its list was read has no room
 * that the socket could be in, so its client receives `destroyed` only while it catches up. That has to wait until the feed
 * has published what the lists show.
 */
export class ListReads {
  static readonly #known = new WeakMap<Server, ListReads>()
  readonly #last = new WeakMap<Socket, ListRead>()
  readonly #caughtUp = new WeakSet<Socket>()

  /** Those of the sockets of this process. */
  static of(io: Server): ListReads {
    const reads = ListReads.#known.get(io) ?? new ListReads()
    ListReads.#known.set(io, reads)
    return reads
  }

  /** Whether {@link add} must be called for reads of this socket. */
  needs(socket: Socket): boolean {
    return !this.#caughtUp.has(socket)
  }

  /**
   * Call before the client receives what was read. `after`: a snapshot that is taken after the read. Asks at once whether it
   * has unpublished changes, so that catching up usually takes no query.
   */
  add(socket: Socket, after: Promise<FeedSnapshot | undefined>): void {
    const read: ListRead = { after: null }
    this.#last.set(socket, read)
    void unpublished(after).then(snapshot => {
      read.after = snapshot
    })
  }

  /** The last read of a socket that catches up now. Its later reads are not needed. */
  take(socket: Socket): ListRead | undefined {
    const last = this.#last.get(socket)
    this.#last.delete(socket)
    this.#caughtUp.add(socket)
    return last
  }
}

/** Never rejects. The snapshot, unless all of its changes are published. */
async function unpublished(taken: Promise<FeedSnapshot | undefined>): Promise<FeedSnapshot | undefined> {
  const snapshot = await taken.catch(() => undefined)
  if (!snapshot || snapshot.isPublished) return undefined
  return (await snapshot.hasUnpublishedChanges().catch(() => true)) ? snapshot : undefined
}
