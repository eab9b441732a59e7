import type { Server } from 'socket.io'
import { BoundedMap } from '../../bounded-map.ts'

const ROOMS_MAX = 50_000
/** How long the members of a room are expected back, in milliseconds. */
const AWAITED_MS = 5 * 60_000

/** The rooms of models whose last member left recently, and may come back and ask for what it missed. */
export class AwaitedRooms {
  static readonly #known = new WeakMap<Server, AwaitedRooms>()
  readonly #rooms = new BoundedMap<string, true>({ count: ROOMS_MAX, ageMs: AWAITED_MS })

  private constructor(io: Server) {
    io.of('/').adapter.on('delete-room', (room: string) => {
      if (room.startsWith('sails_model_')) this.#rooms.set(room, true)
    })
  }

  static of(io: Server): AwaitedRooms {
    const rooms = AwaitedRooms.#known.get(io) ?? new AwaitedRooms(io)
    AwaitedRooms.#known.set(io, rooms)
    return rooms
  }

  has(room: string): boolean {
    return this.#rooms.has(room)
  }
}
