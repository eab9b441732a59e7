import type { Server } from 'socket.io'
import { parseCursor } from '../../change-log/cursor.ts'
import type { FeedSnapshot } from '../feed-snapshot.ts'
import type { MessageMeta, RecordEvent, RefetchEvent } from '../mapping/record-event.ts'
import { recordRoom } from './rooms.ts'

/** A request that read records and subscribed its socket to them, until the feed has published all that it saw. */
export interface RecentSubscription {
  readonly socketId: string
  /** Taken before the socket joined a room, and before the read of the records that the client receives. */
  readonly before: FeedSnapshot
  /** Taken after that read. Absent while the request is underway. */
  after?: FeedSnapshot
  /** {@link memberKey} of the members that the read showed, and whose removal was not sent since. */
  members?: Set<string>
  /** The rooms that the socket joined by this request and has not left. */
  readonly rooms: Set<string>
  /** {@link memberKey} of the members whose removal was sent while the request was underway. */
  readonly removed: Set<string>
}

export const recentSubscription = (socketId: string, before: FeedSnapshot): RecentSubscription => ({
  socketId,
  before,
  rooms: new Set(),
  removed: new Set(),
})

/** The change that a message is about. */
export interface PublishedChange {
  readonly cursor: string
  /** Room of the record that it created. */
  readonly created?: string
  /** Rooms whose members receive the same message separately. */
  readonly alsoSentTo?: readonly string[]
}

/** A message, as far as it decides who is left out. */
export interface SentMessage {
  readonly rooms: readonly string[]
  readonly payload: unknown
  readonly change: PublishedChange
}

/** Sockets are never left out of `refetch`. */
export function changeOf(event: Exclude<RecordEvent, RefetchEvent>, { cursor }: MessageMeta): PublishedChange {
  return event.verb === 'created' ? { cursor, created: recordRoom(event.identity, event.id) } : { cursor }
}

/** Identifies a member of a collection, by the room of the collection's record. */
export const memberKey = (room: string, alias: string, childId: unknown) => `${room} ${alias} ${childId}`

/** Above this number of rooms the oldest subscriptions are forgotten, so that their sockets may receive a change twice. */
const ROOMS_MAX = 100_000
const FORGET_EVERY_MS = 100

/**
 * Joins lists and messages: a change that was committed before a socket read its list, but is published after the socket
 * subscribed, is in the list already. The socket is left out of the message.
 *
 * Only for rooms that the request joined. A client that was in a room before may hold an older list of the same records.
 * A change that was committed while the request read is left out only if the result shows it: it created a record that was
 * read, or added a member that was. Otherwise it is sent, and may repeat what the list contains.
 */
export class RecentSubscriptions {
  static readonly #known = new WeakMap<Server, RecentSubscriptions>()
  readonly #io: Server
  /** Oldest first. */
  readonly #subscriptions = new Set<RecentSubscription>()
  readonly #bySocket = new Map<string, Set<RecentSubscription>>()
  /** By room and socket id. */
  readonly #rooms = new Map<string, Map<string, RecentSubscription>>()
  #count = 0
  #forgottenAt = 0
  #watched: object | undefined

  private constructor(io: Server) {
    this.#io = io
  }

  /** Those of the sockets of this process. */
  static of(io: Server): RecentSubscriptions {
    const subscriptions = RecentSubscriptions.#known.get(io) ?? new RecentSubscriptions(io)
    RecentSubscriptions.#known.set(io, subscriptions)
    return subscriptions
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Number of rooms, of all subscriptions. */
  get size(): number {
    return this.#count
  }

  /** The socket joins these rooms now, and was in none of them. */
  add(subscription: RecentSubscription, rooms: readonly string[]): void {
    this.#watchLeaves()
    this.#remember(subscription)
    for (const room of rooms) {
      this.#remove(room, subscription.socketId)
      const ofRoom = this.#rooms.get(room) ?? new Map<string, RecentSubscription>()
      this.#rooms.set(room, ofRoom.set(subscription.socketId, subscription))
      subscription.rooms.add(room)
      this.#count++
    }
    this.#forgetPublished()
    for (const oldest of this.#subscriptions) {
      if (this.#count <= ROOMS_MAX) return
      this.forget(oldest)
    }
  }

  forget(subscription: RecentSubscription): void {
    for (const room of [...subscription.rooms]) this.#remove(room, subscription.socketId)
    this.#drop(subscription)
  }

  /** Forgets all subscriptions of a socket, because its client continues from a cursor instead. */
  forgetSocket(socketId: string): void {
    for (const subscription of [...(this.#bySocket.get(socketId) ?? [])]) this.forget(subscription)
  }

  /** Forgets subscriptions to a room, because its members received a message that may be older than their lists. */
  forgetRoom(room: string, exceptSocketId?: string): void {
    for (const socketId of [...(this.#rooms.get(room)?.keys() ?? [])]) {
      if (socketId !== exceptSocketId) this.#remove(room, socketId)
    }
  }

  /** Ids of the sockets that read their lists after the change. */
  leftOut(message: SentMessage): string[] {
    if (this.isEmpty) return []
    this.#forgetPublished()
    const candidates = new Set(message.rooms.flatMap(room => [...(this.#rooms.get(room)?.keys() ?? [])]))
    if (candidates.size === 0) return []
    const change = readable(message)
    const leftOut = [...candidates].filter(id => this.#isLeftOut(id, message, change))
    if (change.removed !== undefined) this.#noteRemoval(message, change.removed, leftOut)
    return leftOut
  }

  /**
   * Call before the members of `from` join `to` because of a change. Those that receive its message hold the state of that
   * moment, so they receive what follows. The others read later. Without `change`, all members of `from` have received a
   * message.
   */
  introduce(from: string, to: string, change?: PublishedChange): void {
    if (this.isEmpty) return
    const read = change && readable({ rooms: [from], payload: undefined, change })
    const reader = (id: string) => {
      const subscription = this.#rooms.get(from)?.get(id)
      return subscription && read && hasSeen(subscription, read) ? subscription : undefined
    }
    for (const id of [...(this.#rooms.get(to)?.keys() ?? [])]) {
      if (this.#isMember(from, id) && !reader(id)) this.#remove(to, id)
    }
    for (const id of [...(this.#rooms.get(from)?.keys() ?? [])]) {
      const subscription = this.#isMember(to, id) ? undefined : reader(id)
      if (subscription) this.add(subscription, [to])
    }
  }

  #isLeftOut(id: string, { rooms, change }: SentMessage, read: ReadableChange): boolean {
    return [...rooms, ...(change.alsoSentTo ?? [])].every(room => {
      const subscription = this.#rooms.get(room)?.get(id)
      return subscription ? hasSeen(subscription, read) : !this.#isMember(room, id)
    })
  }

  #noteRemoval({ rooms }: SentMessage, member: string, leftOut: readonly string[]) {
    for (const room of rooms) {
      for (const [id, { members, removed }] of this.#rooms.get(room) ?? []) {
        if (leftOut.includes(id)) continue
        if (members) members.delete(member)
        else removed.add(member)
      }
    }
  }

  #isMember(room: string, id: string): boolean {
    return this.#io.of('/').adapter.rooms.get(room)?.has(id) === true
  }

  #remove(room: string, socketId: string) {
    const ofRoom = this.#rooms.get(room)
    const subscription = ofRoom?.get(socketId)
    if (!ofRoom || !subscription) return
    this.#count--
    ofRoom.delete(socketId)
    if (ofRoom.size === 0) this.#rooms.delete(room)
    subscription.rooms.delete(room)
    if (subscription.rooms.size === 0) this.#drop(subscription)
  }

  #remember(subscription: RecentSubscription) {
    this.#subscriptions.add(subscription)
    const ofSocket = this.#bySocket.get(subscription.socketId) ?? new Set()
    this.#bySocket.set(subscription.socketId, ofSocket.add(subscription))
  }

  #drop(subscription: RecentSubscription) {
    this.#subscriptions.delete(subscription)
    const ofSocket = this.#bySocket.get(subscription.socketId)
    ofSocket?.delete(subscription)
    if (ofSocket?.size === 0) this.#bySocket.delete(subscription.socketId)
  }

  /** Looks at the oldest ones only. Their snapshots are the first to be published. */
  #forgetPublished() {
    const now = performance.now()
    if (now - this.#forgottenAt < FORGET_EVERY_MS) return
    this.#forgottenAt = now
    for (const subscription of this.#subscriptions) {
      if (!subscription.after) continue
      if (!subscription.after.isPublished) return
      this.forget(subscription)
    }
  }

  #watchLeaves() {
    const { adapter } = this.#io.of('/')
    if (this.#watched === adapter) return
    this.#watched = adapter
    adapter.on('leave-room', (room: string, socketId: string) => this.#remove(room, socketId))
  }
}

interface ReadableChange {
  /** Undefined for a gap or a position between changes. */
  readonly xid: bigint | undefined
  readonly created: string | undefined
  /** {@link memberKey} of the member that was added or removed. */
  readonly added: string | undefined
  readonly removed: string | undefined
}

function readable({ rooms: [room = ''], payload, change }: SentMessage): ReadableChange {
  const { attribute, addedId, removedId } = (payload ?? {}) as Record<string, unknown>
  const keyOf = (id: unknown) => (id === undefined ? undefined : memberKey(room, String(attribute), id))
  const { xid } = parseCursor(change.cursor)
  return { xid, created: change.created, added: keyOf(addedId), removed: keyOf(removedId) }
}

/** A record that was read and whose room was not left exists, and a member that was shown and not removed is one still. */
function hasSeen({ before, rooms, members }: RecentSubscription, { xid, created, added }: ReadableChange): boolean {
  if (xid === undefined) return false
  return (
    before.includes(xid) ||
    (created !== undefined && rooms.has(created)) ||
    (added !== undefined && members?.has(added) === true)
  )
}
