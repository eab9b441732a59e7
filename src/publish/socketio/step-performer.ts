import type { Server } from 'socket.io'
import type { Models } from '../../models/model.ts'
import type { FanOut } from '../fan-out.ts'
import type { MessageMeta } from '../mapping/record-event.ts'
import { castId } from '../mapping/record-id.ts'
import { ModelRooms } from '../model-rooms.ts'
import { TimeSlice } from '../time-slice.ts'
import { knowsReceivers } from './adapter.ts'
import { AwaitedRooms } from './awaited-rooms.ts'
import { FEED_EVENT, type RefetchPayload, type Step, stepsOf } from './messages.ts'
import { PendingBroadcasts } from './pending-broadcasts.ts'
import { type PublishedChange, RecentSubscriptions } from './recent-subscriptions.ts'
import { RoomEmitter } from './room-emitter.ts'
import { classRoom, contextRoom, contextsOf, idInRoom, recordRoom } from './rooms.ts'

export interface Delivery {
  /** The second argument of messages, if any. */
  readonly meta?: MessageMeta
  /** Ids of excluded sockets. */
  readonly except: readonly string[]
  /** Absent for messages of the app, and for `refetch`. */
  readonly change?: PublishedChange | undefined
}

export interface StepPerformerOptions {
  readonly models: Models
  readonly fanOut: FanOut
  /** Share it with other code that emits feed messages, to keep their order. @default a new one */
  readonly emitter?: RoomEmitter
  /** The rooms that have a member. @default those with a member on this server */
  readonly knownRooms?: () => Iterable<string>
}

/**
 * Performs steps on the sockets of a server. Local sockets have changed rooms when `perform` returns, so that they receive
 * the next message. Sockets of other servers change rooms in message order, through the cluster adapter.
 */
export class StepPerformer {
  readonly #io: Server
  readonly #options: StepPerformerOptions
  readonly #emitter: RoomEmitter
  readonly #recent: RecentSubscriptions
  readonly #slice = new TimeSlice()

  constructor(io: Server, options: StepPerformerOptions) {
    this.#io = io
    this.#options = options
    AwaitedRooms.of(io) // from now on
    this.#emitter = options.emitter ?? new RoomEmitter(io, options.fanOut)
    this.#recent = RecentSubscriptions.of(io)
    if (options.fanOut === 'cluster') PendingBroadcasts.of(io)
  }

  /** Whether the step would affect any socket, or one that left recently. True if that is unknown. */
  hasReceivers(step: Step): boolean {
    if (!knowsReceivers(this.#io, this.#options.fanOut)) return true
    switch (step.do) {
      case 'emit':
        return this.#hasMembers(step.rooms)
      case 'subscribe':
        return this.#hasMembers([step.from])
      case 'unsubscribe':
        return this.#hasMembers(roomsOfRecord(this.#options.models, step.identity, step.id))
      case 'refetch':
        return ModelRooms.of(this.#io).has(step.identity)
    }
  }

  #hasMembers(rooms: readonly string[]): boolean {
    const known = this.#io.of('/').adapter.rooms
    const awaited = AwaitedRooms.of(this.#io)
    return rooms.some(room => known.has(room) || awaited.has(room))
  }

  /** Returns a promise if the step takes longer than a time slice. */
  perform(step: Step, delivery: Delivery): Promise<void> | undefined {
    switch (step.do) {
      case 'emit':
        return this.#emit(step.rooms, step.event, step.payload, delivery)
      case 'subscribe':
        return this.#join(step.from, step.to, delivery.change)
      case 'unsubscribe':
        return this.#leave(roomsOfRecord(this.#options.models, step.identity, step.id))
      case 'refetch':
        return this.#refetch(step.payload, delivery)
    }
  }

  /** Sends `refetch` to all sockets in any room of the model. */
  async #refetch(payload: RefetchPayload, delivery: Delivery): Promise<void> {
    this.#slice.begin()
    const rooms = await this.#recordRooms(payload.identity)
    await this.#emit([classRoom(payload.identity), ...rooms.values()], FEED_EVENT, payload, delivery)
    if (payload.reason === 'truncate') await this.#destroyAll(payload.identity, [...rooms.keys()], delivery)
  }

  /** For clients that do not handle `refetch`: publishes `destroyed` for each record with a room. */
  async #destroyAll(identity: string, ids: readonly string[], delivery: Delivery) {
    const model = this.#options.models.get(identity)
    for (const id of ids) {
      if (this.#slice.isOver) await this.#slice.next()
      const steps = stepsOf({ verb: 'destroyed', identity, id: castId(model, id) }, this.#options.models)
      for (const step of steps) await this.perform(step, delivery)
    }
  }

  /** The record rooms of a model that have a member, by id. */
  async #recordRooms(identity: string): Promise<Map<string, string>> {
    const { knownRooms = () => this.#io.of('/').adapter.rooms.keys() } = this.#options
    const rooms = new Map<string, string>()
    for (const room of knownRooms()) {
      if (this.#slice.isOver) await this.#slice.next()
      const id = idInRoom(identity, room)
      if (id !== undefined) rooms.set(id, room)
    }
    return rooms
  }

  #emit(rooms: readonly string[], event: string, payload: object, { meta, except, change }: Delivery) {
    this.#emitter.emit({ rooms, event, args: meta ? [payload, meta] : [payload], except, change })
    return this.#emitter.pending
  }

  #join(from: string, to: string, change: PublishedChange | undefined): undefined {
    this.#recent.introduce(from, to, change)
    this.#io.local.in(from).socketsJoin(to)
    if (this.#options.fanOut === 'cluster') this.#io.in(from).socketsJoin(to)
  }

  /** After the messages to these rooms. */
  #leave(rooms: string[]): Promise<void> | undefined {
    const { fanOut } = this.#options
    const leave = () => {
      this.#io.local.in(rooms).socketsLeave(rooms)
      if (fanOut === 'cluster') this.#io.in(rooms).socketsLeave(rooms)
    }
    const pending = fanOut === 'cluster' ? PendingBroadcasts.of(this.#io).settled : undefined
    if (pending) return pending.then(leave)
    leave()
    return undefined
  }
}

function roomsOfRecord(models: Models, identity: string, id: string | number): string[] {
  const model = models.get(identity)
  const contexts = model ? contextsOf(model) : []
  return [recordRoom(identity, id), ...contexts.map(context => contextRoom(identity, id, context))]
}
