import type { Server } from 'socket.io'
import type { Models } from '../ontology/model.ts'
import type { MessageMeta } from './call.ts'
import { FEED_EVENT, type RefetchPayload, type Step, stepsOf } from './messages.ts'
import { castId } from './record-id.ts'
import { classRoom, contextRoom, contextsOf, idInRoom, recordRoom } from './rooms.ts'

export type Scope = 'local' | 'cluster'

export interface Delivery {
  /** Sent as the second argument, where there is any. */
  readonly meta?: MessageMeta
  /** Ids of sockets that are left out. */
  readonly except: string[]
}

export interface StepPerformerOptions {
  readonly models: Models
  readonly scope: Scope
  /** The rooms that have a member. @default those with a member on this server */
  readonly knownRooms?: () => Iterable<string>
}

export type PerformStep = (step: Step, delivery: Delivery) => void

/**
 * Does to the sockets of a server what the steps say. This server's own sockets have changed rooms when it returns, so
 * that the next message finds them; through a cluster adapter those of other servers follow in the order of the messages.
 */
export function stepPerformer(io: Server, options: StepPerformerOptions): PerformStep {
  const { models, scope, knownRooms = () => io.of('/').adapter.rooms.keys() } = options
  const to = (rooms: string[]) => (scope === 'local' ? io.local.to(rooms) : io.to(rooms))
  const emit = (rooms: string[], event: string, payload: object, { meta, except }: Delivery) =>
    void to(rooms)
      .except(except)
      .emit(event, payload, ...(meta ? [meta] : []))
  const introduce = (from: string, rooms: string | string[]) => {
    io.local.in(from).socketsJoin(rooms)
    if (scope === 'cluster') io.in(from).socketsJoin(rooms)
  }
  const retire = (rooms: string[]) => {
    io.local.in(rooms).socketsLeave(rooms)
    if (scope === 'cluster') io.in(rooms).socketsLeave(rooms)
  }
  const refetch = (payload: RefetchPayload, delivery: Delivery) => {
    const known = recordRoomsAmong(knownRooms(), payload.identity)
    emit([classRoom(payload.identity), ...known.values()], FEED_EVENT, payload, delivery)
    if (payload.reason === 'truncate') destroyAll(payload.identity, [...known.keys()], delivery)
  }
  /** Clients that know nothing of `refetch` still learn that what they show is gone. */
  const destroyAll = (identity: string, ids: string[], delivery: Delivery) => {
    const model = models.get(identity)
    const calls = ids.map(id => ({ fn: 'publishDestroy', identity, id: castId(model, id) }) as const)
    for (const step of calls.flatMap(stepsOf)) perform(step, delivery)
  }
  const perform: PerformStep = (step, delivery) => {
    switch (step.do) {
      case 'emit':
        return emit(step.rooms, step.event, step.payload, delivery)
      case 'introduce':
        return introduce(step.from, step.to)
      case 'retire':
        return retire(roomsOfRecord(models, step.identity, step.id))
      case 'refetch':
        return refetch(step.payload, delivery)
    }
  }
  return perform
}

function roomsOfRecord(models: Models, identity: string, id: string | number): string[] {
  const model = models.get(identity)
  const contexts = model ? contextsOf(model) : []
  return [recordRoom(identity, id), ...contexts.map(context => contextRoom(identity, id, context))]
}

/** The record rooms of a model, by id. */
function recordRoomsAmong(all: Iterable<string>, identity: string): Map<string, string> {
  const rooms = new Map<string, string>()
  for (const room of all) {
    const id = idInRoom(identity, room)
    if (id !== undefined) rooms.set(id, room)
  }
  return rooms
}
