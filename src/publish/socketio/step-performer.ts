import type { Server } from 'socket.io'
import type { Models } from '../../models/model.ts'
import type { MessageMeta } from '../mapping/record-event.ts'
import { castId } from '../mapping/record-id.ts'
import { ModelRooms } from '../model-rooms.ts'
import { TimeSlice } from '../time-slice.ts'
import { knowsReceivers, type Scope } from './adapter.ts'
import { FEED_EVENT, type RefetchPayload, type Step, stepsOf } from './messages.ts'
import { RoomEmitter } from './room-emitter.ts'
import { classRoom, contextRoom, contextsOf, idInRoom, recordRoom } from './rooms.ts'

export interface Delivery {
  /** Sent as the second argument, where there is any. */
  readonly meta?: MessageMeta
  /** Ids of sockets that are left out. */
  readonly except: readonly string[]
}

export interface StepPerformerOptions {
  readonly models: Models
  readonly scope: Scope
  /** Shared with whoever else emits messages of the feed, whose order is kept. @default one of its own */
  readonly emitter?: RoomEmitter
  /** The rooms that have a member. @default those with a member on this server */
  readonly knownRooms?: () => Iterable<string>
}

/**
 * Does to the sockets of a server what the steps say. This server's own sockets have changed rooms when `perform` returns,
 * so that the next message finds them; through a cluster adapter those of other servers follow in the order of the messages.
 */
export class StepPerformer {
  readonly #io: Server
  readonly #options: StepPerformerOptions
  readonly #emitter: RoomEmitter
  readonly #slice = new TimeSlice()

  constructor(io: Server, options: StepPerformerOptions) {
    this.#io = io
    this.#options = options
    this.#emitter = options.emitter ?? new RoomEmitter(io, options.scope)
  }

  /** Whether performing the step would have an effect on any socket; true where that is not known. */
  hasReceivers(step: Step): boolean {
    if (!knowsReceivers(this.#io, this.#options.scope)) return true
    switch (step.do) {
      case 'emit':
        return this.#hasMembers(step.rooms)
      case 'introduce':
        return this.#hasMembers([step.from])
      case 'retire':
        return this.#hasMembers(roomsOfRecord(this.#options.models, step.identity, step.id))
      case 'refetch':
        return ModelRooms.of(this.#io).has(step.identity)
    }
  }

  #hasMembers(rooms: readonly string[]): boolean {
    const known = this.#io.of('/').adapter.rooms
    return rooms.some(room => known.has(room))
  }

  /** A promise where it takes longer than a time slice may. */
  perform(step: Step, delivery: Delivery): Promise<void> | undefined {
    switch (step.do) {
      case 'emit':
        return this.#emit(step.rooms, step.event, step.payload, delivery)
      case 'introduce':
        return this.#introduce(step.from, step.to)
      case 'retire':
        return this.#retire(roomsOfRecord(this.#options.models, step.identity, step.id))
      case 'refetch':
        return this.#refetch(step.payload, delivery)
    }
  }

  /** Tells everyone who is in any room of a model to read again. */
  async #refetch(payload: RefetchPayload, delivery: Delivery): Promise<void> {
    this.#slice.begin()
    const rooms = await this.#recordRooms(payload.identity)
    await this.#emit([classRoom(payload.identity), ...rooms.values()], FEED_EVENT, payload, delivery)
    if (payload.reason === 'truncate') await this.#destroyAll(payload.identity, [...rooms.keys()], delivery)
  }

  /** Clients that know nothing of `refetch` still learn that what they show is gone. */
  async #destroyAll(identity: string, ids: readonly string[], delivery: Delivery) {
    const model = this.#options.models.get(identity)
    for (const id of ids) {
      if (this.#slice.isOver) await this.#slice.next()
      const steps = stepsOf({ verb: 'destroyed', identity, id: castId(model, id) })
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

  #emit(rooms: readonly string[], event: string, payload: object, { meta, except }: Delivery) {
    this.#emitter.emit({ rooms, event, args: meta ? [payload, meta] : [payload], except })
    return this.#emitter.pending
  }

  #introduce(from: string, rooms: string | string[]): undefined {
    this.#io.local.in(from).socketsJoin(rooms)
    if (this.#options.scope === 'cluster') this.#io.in(from).socketsJoin(rooms)
  }

  #retire(rooms: string[]): undefined {
    this.#io.local.in(rooms).socketsLeave(rooms)
    if (this.#options.scope === 'cluster') this.#io.in(rooms).socketsLeave(rooms)
  }
}

function roomsOfRecord(models: Models, identity: string, id: string | number): string[] {
  const model = models.get(identity)
  const contexts = model ? contextsOf(model) : []
  return [recordRoom(identity, id), ...contexts.map(context => contextRoom(identity, id, context))]
}
