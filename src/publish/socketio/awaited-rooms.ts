import type { Server } from 'socket.io'
import { BoundedMap } from '../../bounded-map.ts'

const ROOMS_MAX = 50_000
/** How long the members of a room are expected back, in milliseconds. */
const AWAITED_MS = 5 * 60_000

type Adapter = ReturnType<Server['of']>['adapter']

/** The rooms of models whose last member left recently, and may come back and ask for what it missed. */
export class AwaitedRooms {
  static readonly #known = new WeakMap<Adapter, AwaitedRooms>()
  readonly #rooms = new BoundedMap<string, true>({ count: ROOMS_MAX, ageMs: AWAITED_MS })

  private constructor(adapter: Adapter) {
    adapter.on('delete-room', (room: string) => {
      if (room.startsWith('sails_model_')) this.#rooms.set(room, true)
    })
  }

  /** For the sockets of this process. One instance per adapter, because its listeners are never removed. */
  static of(io: Server): AwaitedRooms {
    const { adapter } = io.of('/')
    const rooms = AwaitedRooms.#known.get(adapter) ?? new AwaitedRooms(adapter)
    AwaitedRooms.#known.set(adapter, rooms)
    return rooms
  }

  has(room: string): boolean {
    return this.#rooms.has(room)
  }
}
