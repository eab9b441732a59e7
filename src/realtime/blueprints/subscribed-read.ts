import type { FeedSnapshot } from '../../publish/feed-snapshot.ts'
import { ListReads } from '../../publish/socketio/list-reads.ts'
import { LiveHold } from '../../publish/socketio/live-hold.ts'
import {
  type RecentSubscription,
  type RecentSubscriptions,
  recentSubscription,
} from '../../publish/socketio/recent-subscriptions.ts'
import type { Sockets } from '../pubsub/sockets.ts'
import type { Limits } from '../requests/limits.ts'
import { tooManyRooms } from '../requests/refusal.ts'
import type { RealtimeRequest } from '../requests/request.ts'

/** A read, the rooms of its result, and the keys of the members that its collections show. */
export interface Read<Shown> {
  read(): Promise<Shown>
  roomsOf(shown: Shown): string[]
  membersOf(shown: Shown): string[]
}

export interface SubscribedReadOptions {
  readonly sockets: Sockets
  readonly limits: Limits
  /** The current cursor of the feed. Undefined if there is no feed. */
  readonly cursor: () => Promise<string | undefined>
  /** A snapshot that is taken after the call. Undefined if the feed does not publish on this server. */
  readonly snapshot: () => Promise<FeedSnapshot | undefined>
  readonly recent: RecentSubscriptions
}

const ROUNDS = 5

/**
 * Reads for a socket so that no change is lost between the response and the messages that follow: the socket joins the
 * rooms, then the feed's cursor is read, then the rows. The rooms follow from the rows, so it repeats until the socket had
 * joined all rooms of the result before the read. Over HTTP it reads once.
 *
 * Nor does a change that the result contains follow as a message: see {@link RecentSubscriptions}.
 */
export async function subscribedRead<Shown>(
  req: RealtimeRequest,
  { read, roomsOf, membersOf }: Read<Shown>,
  options: SubscribedReadOptions,
): Promise<{ shown: Shown; cursor: string | undefined }> {
  if (!req.isSocket) return { cursor: await options.cursor(), shown: await read() }
  const joining = new Joining(req, options)
  try {
    let shown = await read()
    for (let round = 1; ; round++) {
      await joining.join(roomsOf(shown))
      const cursor = await options.cursor()
      if (cursor) LiveHold.of(req.socket.nsp.server).told(req.socket, cursor)
      shown = await read()
      const isSubscribed = roomsOf(shown).every(room => req.socket.rooms.has(room))
      // The list changes faster than it can be read. The last rooms are joined late, and the cursor covers the difference.
      if (!isSubscribed && round === ROUNDS) await joining.join(roomsOf(shown))
      if (!isSubscribed && round < ROUNDS) continue
      joining.complete(membersOf(shown))
      return { shown, cursor }
    }
  } catch (error) {
    joining.abandon()
    throw error
  }
}

/** The rooms that a socket joins by one request. */
class Joining {
  readonly #socket: RealtimeRequest['socket']
  readonly #options: SubscribedReadOptions
  #subscription: RecentSubscription | undefined

  constructor({ socket }: RealtimeRequest, options: SubscribedReadOptions) {
    this.#socket = socket
    this.#options = options
  }

  /** Throws a `Refusal` if the socket would exceed its limit of rooms. */
  async join(rooms: readonly string[]): Promise<void> {
    if (this.#missing(rooms).length === 0) return
    this.#subscription ??= await this.#begin()
    const missing = this.#missing(rooms)
    const { limits, recent, sockets } = this.#options
    if (this.#socket.rooms.size + missing.length > limits.roomsPerSocket) {
      throw tooManyRooms(`A socket may be in ${limits.roomsPerSocket} rooms: ask for fewer records, or disconnect.`)
    }
    const joined = missing.map(room => sockets.join(this.#socket, room)) // local sockets join at once
    if (this.#subscription) recent.add(this.#subscription, missing)
    await Promise.all(joined)
  }

  /** The client receives what was read last. */
  complete(members: readonly string[]): void {
    const [subscription, { recent, snapshot }] = [this.#subscription, this.#options]
    const reads = ListReads.of(this.#socket.nsp.server)
    if (reads.needs(this.#socket)) reads.add(this.#socket, snapshot())
    if (!subscription) return
    subscription.members = new Set(members.filter(member => !subscription.removed.has(member)))
    void snapshot().then(after => {
      if (after) subscription.after = after
      else recent.forget(subscription)
    })
  }

  abandon(): void {
    if (this.#subscription) this.#options.recent.forget(this.#subscription)
  }

  /** Before the first room is joined, so that another request of this socket that finds it joined reads later. */
  async #begin(): Promise<RecentSubscription | undefined> {
    const before = await this.#options.snapshot()
    return before && recentSubscription(this.#socket.id, before)
  }

  #missing(rooms: readonly string[]): string[] {
    return [...new Set(rooms)].filter(room => !this.#socket.rooms.has(room))
  }
}
