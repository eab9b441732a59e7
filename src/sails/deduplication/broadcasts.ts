import { AsyncLocalStorage } from 'node:async_hooks'
import type { Server } from 'socket.io'
import type { MessageMeta } from '../../publish/mapping/record-event.ts'
import type { Scope } from '../../publish/socketio/adapter.ts'
import type { RoomEmitter } from '../../publish/socketio/room-emitter.ts'
import type { Safeguard } from '../attribution/safeguard.ts'
import type { Rooms, SailsModel, SailsSockets } from '../hook/sails-app.ts'
import { keyOfMessage, keysOfMembersShown, keysOfMessage, type MessageKey } from './message-key.ts'
import type { Publications } from './publication-log.ts'

/** What the feed is publishing while a model's publish function runs. */
export interface FeedDelivery {
  readonly meta: MessageMeta
  /** Ids of sockets that are left out, on whichever node they are. */
  readonly except: string[]
  /** The messages that are to be sent. */
  readonly keys: ReadonlySet<MessageKey>
  /** Whether the function tells other records' ends as well: that has been or will be told by changes of their own. */
  readonly reverses: boolean
  /** Those of them that were. */
  readonly sent: Set<MessageKey>
  /** By `performance.now()`. */
  endedAt?: number
}

/**
 * How long after it has returned a publish function may still be at it, in milliseconds. What it opened, such as a
 * connection, may go on calling back in its name for the life of the process.
 */
const AFTERWORK_MS = 60_000

export interface BroadcastsOptions {
  readonly io: Server
  readonly sockets: SailsSockets
  readonly model: (identity: string) => SailsModel | undefined
  /** Where what the app publishes now is noted; undefined where it is nowhere. */
  readonly publications: () => Pick<Publications, 'byAction'> | undefined
  /** Whose sockets the feed's messages go to: those of this process, or of all that share the adapter. */
  readonly scope: Scope
  /** Sends the feed's messages. */
  readonly emitter: RoomEmitter
  readonly safely: Safeguard
}

/**
 * Stands before the functions of `sails.sockets` through which every message and every change of rooms of a model goes.
 * What the feed publishes gets its cursor, its scope and the sockets that it leaves out here; what an action publishes is
 * noted, so that nobody hears of it twice. Everything else passes, and sockets join a room at once, not some time later.
 */
export class Broadcasts {
  readonly #options: BroadcastsOptions
  readonly #delivery = new AsyncLocalStorage<FeedDelivery>()
  readonly #original: Pick<SailsSockets, 'broadcast' | 'addRoomMembersToRooms' | 'removeRoomMembersFromRooms'>

  constructor(options: BroadcastsOptions) {
    this.#options = options
    const { broadcast, addRoomMembersToRooms, removeRoomMembersFromRooms } = options.sockets
    this.#original = { broadcast, addRoomMembersToRooms, removeRoomMembersFromRooms }
  }

  attach(): void {
    const { sockets, safely } = this.#options
    const { broadcast, addRoomMembersToRooms, removeRoomMembersFromRooms } = this.#original
    sockets.broadcast = (rooms, ...rest) => {
      const delivery = this.#current
      if (delivery) return this.#emit(delivery, rooms, rest)
      if (safely('noting messages', () => this.#isDuplicate(rest), false)) return
      broadcast.call(sockets, rooms, ...rest)
    }
    sockets.addRoomMembersToRooms = unlessRemote(addRoomMembersToRooms, (from, to, done) => {
      safely('moving sockets', () => this.join(from, to), undefined)
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

  /** Whether it is the feed that calls. */
  get delivering(): boolean {
    return this.#current !== undefined
  }

  /** Runs a publish function of a model in the name of the feed, an app's asynchronous override included. */
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

  /** At once for the sockets of this process, so that the next message finds them. */
  join(from: string, to: Rooms): void {
    const { io, scope } = this.#options
    io.local.in(from).socketsJoin(to)
    if (scope === 'cluster') io.in(from).socketsJoin(to)
  }

  /** All of the members: a record that is gone has no subscribers, whether they watched its model or not. */
  leave(rooms: Rooms): void {
    const { io, scope } = this.#options
    io.local.in(rooms).socketsLeave(rooms)
    if (scope === 'cluster') io.in(rooms).socketsLeave(rooms)
  }

  /** Whether the feed has sent this message of the app; otherwise it is noted, and the feed will not. */
  #isDuplicate([event, payload]: unknown[]): boolean {
    const { publications, model } = this.#options
    const keys = keysOfMessage(event, payload, model)
    if (keys.length === 0) return false
    return publications()?.byAction(keys, keysOfMembersShown(event, payload, model)) === false
  }

  #emit({ meta, except, keys, reverses, sent }: FeedDelivery, rooms: Rooms, [event, data]: unknown[]) {
    const { emitter, model } = this.#options
    const key = keyOfMessage(event, data, model)
    if (key !== undefined && reverses && !keys.has(key)) return
    if (key !== undefined) sent.add(key)
    const named = typeof event === 'string' ? event : 'message'
    const payload = typeof event === 'string' ? data : event
    for (const room of [rooms].flat()) emitter.emit({ rooms: [room], event: named, args: [payload, meta], except })
  }
}

type MoveMembers = SailsSockets['addRoomMembersToRooms']

/** What another process has asked of all over the bus of sails-hook-sockets is not to be asked of them again. */
function unlessRemote(original: MoveMembers, own: MoveMembers): MoveMembers {
  return function (this: { readonly remote?: boolean } | undefined, ...args) {
    return (this?.remote ? original : own).apply(this as never, args)
  }
}
