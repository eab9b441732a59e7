import type { Server } from 'socket.io'
import { identitiesOfRoom } from './socketio/rooms.ts'

type Adapter = ReturnType<Server['of']>['adapter']

/** Tracks which models have a room with a member, by the adapter's events, so that it need not scan all rooms. */
export class ModelRooms {
  static readonly #known = new WeakMap<Adapter, ModelRooms>()
  readonly #rooms = new Map<string, number>()

  private constructor(adapter: Adapter) {
    for (const room of adapter.rooms.keys()) this.#count(room, 1)
    adapter.on('create-room', room => this.#count(room, 1))
    adapter.on('delete-room', room => this.#count(room, -1))
  }

  /** For the sockets of this process. One instance per adapter, because its listeners are never removed. */
  static of(io: Server): ModelRooms {
    const { adapter } = io.of('/')
    const rooms = ModelRooms.#known.get(adapter) ?? new ModelRooms(adapter)
    ModelRooms.#known.set(adapter, rooms)
    return rooms
  }

  /** May be true if only a model with the same name prefix has rooms. */
  has(identity: string): boolean {
    return this.#rooms.has(identity)
  }

  #count(room: string, change: 1 | -1) {
    for (const identity of identitiesOfRoom(room)) {
      const count = (this.#rooms.get(identity) ?? 0) + change
      if (count > 0) this.#rooms.set(identity, count)
      else this.#rooms.delete(identity)
    }
  }
}
