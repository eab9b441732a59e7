import type { Server } from 'socket.io'
import type { Models } from '../ontology/model.ts'
import type { MessageMeta, PublishCall } from './call.ts'
import { FEED_EVENT, type RefetchPayload, type Step, stepsOf } from './messages.ts'
import type { Publisher } from './publisher.ts'
import { castId } from './record-id.ts'
import { classRoom, idInRoom } from './rooms.ts'

export interface SocketPublisherOptions {
  readonly models: Models
  /**
   * Whose sockets hear of a change: this server's own (`local`: every node runs a feed, whatever the adapter), or those of
   * all servers of the adapter (`cluster`: only the leader publishes). @default 'local'
   */
  readonly scope?: 'local' | 'cluster'
  /**
   * The sockets that a write with this origin leaves out.
   * @default the one whose id the origin is
   */
  readonly exceptSocketIds?: (origin: string) => readonly string[]
}

/** Done when `publish` returns. */
export interface SocketPublisher extends Publisher {
  publish(call: PublishCall, meta: MessageMeta): void
}

/**
 * Publishes on a socket.io server with the rooms, events and payloads of Sails. Each message carries `meta` as its second
 * argument. The sockets of this server are in a new record's room before `publish` returns, so that the next message of the
 * record finds them; through a cluster adapter the others follow in the order of the messages.
 */
export function socketPublisher(io: Server, options: SocketPublisherOptions): SocketPublisher {
  const { models, scope = 'local', exceptSocketIds = socketNamed(io, scope) } = options
  const to = (rooms: string | string[]) => (scope === 'local' ? io.local.to(rooms) : io.to(rooms))
  const perform = (step: Step, meta: MessageMeta, except: string[]) => {
    switch (step.do) {
      case 'emit':
        return void to(step.room).except(except).emit(step.event, step.payload, meta)
      case 'introduce':
        io.local.in(step.from).socketsJoin(step.to)
        return void (scope === 'cluster' && io.in(step.from).socketsJoin(step.to))
      case 'retire':
        io.local.in(step.room).socketsLeave(step.room)
        return void (scope === 'cluster' && io.in(step.room).socketsLeave(step.room))
      case 'refetch':
        return refetch(step.payload, meta)
    }
  }
  const refetch = (payload: RefetchPayload, meta: MessageMeta) => {
    const rooms = recordRooms(io, payload.identity)
    to([classRoom(payload.identity), ...rooms.values()]).emit(FEED_EVENT, payload, meta)
    if (payload.reason === 'truncate') destroyAll(payload.identity, rooms, meta)
  }
  /** Clients that know nothing of `refetch` still learn that what they show is gone. */
  const destroyAll = (identity: string, rooms: ReadonlyMap<string, string>, meta: MessageMeta) => {
    for (const id of rooms.keys()) {
      const call = { fn: 'publishDestroy', identity, id: castId(models.get(identity), id) } as const
      for (const step of stepsOf(call)) perform(step, meta, [])
    }
  }
  return {
    publish(call: PublishCall, meta: MessageMeta) {
      const except = meta.origin === undefined ? [] : [...exceptSocketIds(meta.origin)]
      for (const step of stepsOf(call)) perform(step, meta, except)
    },
  }
}

/** The record rooms of a model that have a member on this server, by id. */
function recordRooms(io: Server, identity: string): Map<string, string> {
  const rooms = new Map<string, string>()
  for (const room of io.of('/').adapter.rooms.keys()) {
    const id = idInRoom(identity, room)
    if (id !== undefined) rooms.set(id, room)
  }
  return rooms
}

/**
 * An origin is free text, and `except` takes any room: only what names a socket may be left out, or a tag that equals
 * a room's name would silence the room.
 */
function socketNamed(io: Server, scope: 'local' | 'cluster') {
  const namesSocket = (origin: string) =>
    scope === 'local' ? io.of('/').sockets.has(origin) : /^[A-Za-z0-9_-]{20}$/.test(origin)
  return (origin: string) => (namesSocket(origin) ? [origin] : [])
}
