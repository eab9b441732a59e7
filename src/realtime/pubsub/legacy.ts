import type { Model } from '../../models/model.ts'
import { contextRoom, contextsOf, recordRoom } from '../../publish/socketio/rooms.ts'
import { idOfRecord } from './context.ts'
import type { LegacyPubSubMethods, PubSubMethods } from './methods.ts'
import type { Sockets } from './sockets.ts'

/** The parts of `sails.sockets` (of Sails or of this package) and of the server's rooms that are used here. */
export interface LegacySockets {
  readonly broadcast: Sockets['broadcast']
  readonly leave: (socket: Parameters<Sockets['leave']>[0], room: string) => unknown
  /** Ids of the sockets of this server in a room. */
  readonly subscribers: (room: string) => string[]
}

/** The methods of v0.12 for a model with those of v1. Each looks up the v1 function when it is called. */
export function legacyMethods(live: PubSubMethods, model: Model, sockets: LegacySockets): LegacyPubSubMethods {
  const { identity } = model
  const inRooms = (rooms: string[]) => [...new Set(rooms.flatMap(room => sockets.subscribers(room)))]
  return {
    publishCreate: (...args) => live._publishCreate(...args),
    publishUpdate: (...args) => live._publishUpdate(...args),
    publishDestroy: (...args) => live._publishDestroy(...args),
    publishAdd: (...args) => live._publishAdd(...args),
    publishRemove: (...args) => live._publishRemove(...args),
    message: (record, data, req) => {
      const id = idOfRecord(model, record)
      const rooms = [recordRoom(identity, id), contextRoom(identity, id, 'message')]
      sockets.broadcast(rooms, identity, { verb: 'messaged', id, data }, req)
    },
    watch: req => live._watch(req),
    unwatch: req => void sockets.leave(req, live._classRoom()),
    introduce: record => live._introduce(record),
    retire: record => live._retire(record),
    room: (id, context) => (context === undefined ? live._room(id) : contextRoom(identity, id, context)),
    classRoom: () => live._classRoom(),
    subscribers: (record, context) => {
      const id = idOfRecord(model, record)
      const chosen = context === undefined ? contextsOf(model) : [context]
      return inRooms([recordRoom(identity, id), ...chosen.map(name => contextRoom(identity, id, name))])
    },
    watchers: () => inRooms([live._classRoom()]),
    getAllContexts: () => contextsOf(model),
  }
}

/** Adds missing methods. Methods of the app are kept; methods that an earlier call added are replaced. */
export function addMissing(target: object, methods: object): void {
  for (const [name, value] of Object.entries(methods)) {
    const present = (target as Record<string, unknown>)[name]
    if (present !== undefined && !ours.has(present as object)) continue
    ours.add(value)
    Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false })
  }
}

const ours = new WeakSet<object>()
