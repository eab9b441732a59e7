import { AsyncLocalStorage } from 'node:async_hooks'
import type { Server } from 'socket.io'
import type { FanOut } from '../../publish/fan-out.ts'
import type { MessageMeta } from '../../publish/mapping/record-event.ts'
import { type PublishedChange, RecentSubscriptions } from '../../publish/socketio/recent-subscriptions.ts'
import type { RoomEmitter } from '../../publish/socketio/room-emitter.ts'
import type { Safeguard } from '../attribution/safeguard.ts'
import type { Rooms, SailsModel, SailsSockets } from '../hook/sails-app.ts'
import { keyOfMessage, keysOfMembersShown, keysOfMessage, type MessageKey } from './message-key.ts'
import type { Publications } from './publication-log.ts'

/** The event that the feed is publishing while a model's publish function runs. */
export interface FeedDelivery {
  readonly meta: MessageMeta
  /** Ids of excluded sockets, on any node. */
  readonly except: string[]
  readonly change?: PublishedChange
  /** Keys of the messages to send. */
  readonly keys: ReadonlySet<MessageKey>
  /** Whether the function also publishes reverse messages. Those not in `keys` are dropped: they have changes of their own. */
  readonly reverses: boolean
  /** Keys of the messages sent so far. */
  readonly sent: Set<MessageKey>
  /** By `performance.now()`. */
  endedAt?: number
}

/**
 * How long messages are attributed to the feed's delivery after the publish function has returned, in milliseconds.
 * Connections that it opened keep its async context for the life of the process.
 */
const AFTERWORK_MS = 60_000

export interface BroadcastsOptions {
  readonly io: Server
  readonly sockets: SailsSockets
  readonly model: (identity: string) => SailsModel | undefined
  /** Where to record a message that the app publishes now; undefined if it is not recorded. */
  readonly publications: () => Pick<Publications, 'byAction'> | undefined
  readonly fanOut: FanOut
  /** Sends the feed's messages. */
  readonly emitter: RoomEmitter
  readonly safely: Safeguard
}

/**
 * Wraps the functions of `sails.sockets` through which all messages and room changes of models go. Messages of the feed get
 * their cursor, fan-out and excluded sockets here. Messages of actions are recorded for deduplication. Other messages pass
 * unchanged. Local sockets join rooms synchronously.
 */
export class Broadcasts {
  readonly #options: BroadcastsOptions
  readonly #recent: RecentSubscriptions
  readonly #delivery = new AsyncLocalStorage<FeedDelivery>()
  readonly #original: Pick<SailsSockets, 'broadcast' | 'addRoomMembersToRooms' | 'removeRoomMembersFromRooms'>

  constructor(options: BroadcastsOptions) {
    this.#options = options
    this.#recent = RecentSubscriptions.of(options.io)
    const { broadcast, addRoomMembersToRooms, removeRoomMembersFromRooms } = options.sockets
    this.#original = { broadcast, addRoomMembersToRooms, removeRoomMembersFromRooms }
  }

  attach(): void {
    const { sockets, safely } = this.#options
    const { broadcast, addRoomMembersToRooms, removeRoomMembersFromRooms } = this.#original
    sockets.broadcast = (rooms, ...rest) => {
      const delivery = this.#current
      if (delivery) return this.#emit(delivery, rooms, rest)
      if (safely('recording messages', () => this.#isDuplicate(rest), false)) return
      safely('recording messages', () => this.#forgetLists(rooms, rest), undefined)
      broadcast.call(sockets, rooms, ...rest)
    }
    sockets.addRoomMembersToRooms = unlessRemote(addRoomMembersToRooms, (from, to, done) => {
      safely('moving sockets', () => this.join(from, to, this.#current?.change), undefined)
      if (!this.#current) return addRoomMembersToRooms.call(sockets, from, to, done)
      done?.()
    })
    sockets.removeRoomMembersFromRooms = unlessRemote(removeRoomMembersFromRooms, (from, of, done) => {
      if (!this.#current) return removeRoomMembersFromRooms.call(sockets, from, of, done)
      this.leave(of)
      done?.()
    })
  }

  detach(): void {
    Object.assign(this.#options.sockets, this.#original)
  }

  /** Whether the current call comes from the feed. */
  get delivering(): boolean {
    return this.#current !== undefined
  }

  /** Runs a publish function of a model in the context of the feed's delivery, including async overrides of the app. */
  async deliver(delivery: FeedDelivery, publish: () => unknown): Promise<void> {
    try {
      await this.#delivery.run(delivery, publish)
      await this.#options.emitter.pending
    } finally {
      delivery.endedAt = performance.now()
    }
  }

  get #current(): FeedDelivery | undefined {
    const delivery = this.#delivery.getStore()
    return delivery && performance.now() - (delivery.endedAt ?? Infinity) < AFTERWORK_MS ? delivery : undefined
  }

  /** Synchronous for the sockets of this process, so that they receive the next message. */
  join(from: string, to: Rooms, change?: PublishedChange): void {
    const { io, fanOut } = this.#options
    for (const room of [to].flat()) this.#recent.introduce(from, room, change)
    io.local.in(from).socketsJoin(to)
    if (fanOut === 'cluster') io.in(from).socketsJoin(to)
  }

  /** Removes all members of the rooms. */
  leave(rooms: Rooms): void {
    const { io, fanOut } = this.#options
    io.local.in(rooms).socketsLeave(rooms)
    if (fanOut === 'cluster') io.in(rooms).socketsLeave(rooms)
  }

  /** Whether the feed has already sent this message of the app. If not, it is recorded, so that the feed drops its copy. */
  #isDuplicate([event, payload]: unknown[]): boolean {
    const { publications, model } = this.#options
    const keys = keysOfMessage(event, payload, model)
    if (keys.length === 0) return false
    return publications()?.byAction(keys, keysOfMembersShown(event, payload, model)) === false
  }

  /**
   * A message that the app sends about a record may be older than the lists of its receivers. So they receive what the feed
   * publishes about the record after it. Members of a class room join the room of a new record.
   */
  #forgetLists(rooms: Rooms, [event, payload, omitted]: unknown[]) {
    if (this.#recent.isEmpty || keyOfMessage(event, payload, this.#options.model) === undefined) return
    const { verb } = payload as { readonly verb: string }
    const { id } = (omitted ?? {}) as { readonly id?: string }
    if (verb !== 'created') for (const room of [rooms].flat()) this.#recent.forgetRoom(room, id)
  }

  #emit({ meta, except, change, keys, reverses, sent }: FeedDelivery, rooms: Rooms, [event, data]: unknown[]) {
    const { emitter, model } = this.#options
    const key = keyOfMessage(event, data, model)
    if (key !== undefined && reverses && !keys.has(key)) return
    if (key !== undefined) sent.add(key)
    const named = typeof event === 'string' ? event : 'message'
    const payload = typeof event === 'string' ? data : event
    for (const room of [rooms].flat()) {
      emitter.emit({ rooms: [room], event: named, args: [payload, meta], except, change })
    }
  }
}

type MoveMembers = SailsSockets['addRoomMembersToRooms']

/** Calls from the admin bus of sails-hook-sockets reach every process already, so they are not forwarded again. */
function unlessRemote(original: MoveMembers, own: MoveMembers): MoveMembers {
  return function (this: { readonly remote?: boolean } | undefined, ...args) {
    return (this?.remote ? original : own).apply(this as never, args)
  }
}
