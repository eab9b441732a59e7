import type { Server } from 'socket.io'
import { identitiesOfRoom } from './socketio/rooms.ts'

type Adapter = ReturnType<Server['of']>['adapter']

/** Of which models a server has rooms with a member, without a look at all rooms: the adapter says which come and go. */
export class ModelRooms {
  static readonly #known = new WeakMap<Adapter, ModelRooms>()
  readonly #rooms = new Map<string, number>()

  private constructor(adapter: Adapter) {
    for (const room of adapter.rooms.keys()) this.#count(room, 1)
    adapter.on('create-room', room => this.#count(room, 1))
    adapter.on('delete-room', room => this.#count(room, -1))
  }

  /** Of the sockets of this process. One for each adapter, as it cannot be told to end. */
  static of(io: Server): ModelRooms {
    const { adapter } = io.of('/')
    const rooms = ModelRooms.#known.get(adapter) ?? new ModelRooms(adapter)
    ModelRooms.#known.set(adapter, rooms)
    return rooms
  }

  /** May be true for a model whose name begins like that of another one. */
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
