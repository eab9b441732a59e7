import type { Server, Socket } from 'socket.io'
import { compareCursors, parseCursor } from '../../change-log/cursor.ts'

/** Sockets in this room receive no live messages of the feed. */
export const HOLD_ROOM = 'changefeed:hold'

/** A socket that has announced that it will catch up, and did not, is released after this time, in milliseconds. */
const HOLD_MS = 30_000

/** Messages that are being sent. */
interface MessageQueue {
  /** Resolves when they are sent. Undefined if there are none. */
  readonly pending: Promise<void> | undefined
}

/** How a socket has been held until it asked. */
export interface Held {
  /** Whether it announced itself, so that it has received no message since its connection. */
  readonly isAnnounced: boolean
  /** Its connection, or now, by `performance.now()`. */
  readonly since: number
  /** The earliest cursor that its client was told meanwhile: of before it read its first list. */
  readonly toldFirst: string | undefined
  /** Whether it announced itself and did not ask in time. */
  readonly hasExpired: boolean
}

/**
 * Leaves sockets that catch up out of the feed's live messages, so that they receive what they missed first. It is a room
 * that each message of the feed excepts, so it also works for sockets of other servers.
 */
export class LiveHold {
  static readonly #known = new WeakMap<Server, LiveHold>()
  readonly #emitters = new Set<MessageQueue>()
  /** `performance.now()` of the connection of held sockets that announced themselves. */
  readonly #connectedAt = new WeakMap<Socket, number>()
  /** The earliest cursor that they were told. */
  readonly #toldFirst = new WeakMap<Socket, string>()
  readonly #expiry = new WeakMap<Socket, NodeJS.Timeout>()
  readonly #expired = new WeakSet<Socket>()
  #isWatching = false

  static of(io: Server): LiveHold {
    const hold = LiveHold.#known.get(io) ?? new LiveHold()
    LiveHold.#known.set(io, hold)
    return hold
  }

  /** Call for each emitter of feed messages. */
  add(emitter: MessageQueue): void {
    this.#emitters.add(emitter)
  }

  /** Resolves when the messages that are being sent are sent. Undefined if there are none. */
  get pending(): Promise<void> | undefined {
    for (const { pending } of this.#emitters) if (pending) return pending
    return undefined
  }

  /**
   * Holds each socket from its connection on whose handshake announces that it will catch up: `changefeed=1`. `onExpired` is
   * called for those that do not ask in time, and must release them.
   */
  holdAnnounced(io: Server, onExpired: (socket: Socket) => void): void {
    if (this.#isWatching) return
    this.#isWatching = true
    io.on('connection', socket => {
      if (!announces(socket)) return
      this.#connectedAt.set(socket, performance.now())
      void socket.join(HOLD_ROOM)
      const expire = () => {
        if (!socket.rooms.has(HOLD_ROOM)) return
        this.#expired.add(socket)
        onExpired(socket)
      }
      this.#expiry.set(socket, setTimeout(expire, HOLD_MS).unref())
      socket.once('disconnect', () => clearTimeout(this.#expiry.get(socket)))
    })
  }

  /** The client has been told this cursor, which is that of a list that is read later. */
  told(socket: Socket, cursor: string): void {
    if (!this.#connectedAt.has(socket)) return
    const first = this.#toldFirst.get(socket) ?? cursor
    this.#toldFirst.set(socket, compareCursors(parseCursor(first), parseCursor(cursor)) < 0 ? first : cursor)
  }

  /** Holds the socket until {@link release}. */
  hold(socket: Socket): Held {
    clearTimeout(this.#expiry.get(socket))
    if (!socket.rooms.has(HOLD_ROOM)) void socket.join(HOLD_ROOM)
    const connectedAt = this.#connectedAt.get(socket)
    this.#connectedAt.delete(socket)
    const isAnnounced = connectedAt !== undefined
    const hasExpired = this.#expired.delete(socket)
    return { isAnnounced, since: connectedAt ?? performance.now(), toldFirst: this.#toldFirst.get(socket), hasExpired }
  }

  release(socket: Socket): void {
    void socket.leave(HOLD_ROOM)
  }
}

function announces({ handshake: { query, auth } }: Socket): boolean {
  return String(query.changefeed) === '1' || String((auth as Record<string, unknown> | undefined)?.changefeed) === '1'
}
