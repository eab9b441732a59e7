import type { Server } from 'socket.io'
import type { FanOut } from '../fan-out.ts'
import { socketNamed } from '../origin.ts'

/**
 * Ids of the sockets that do not receive changes with this origin. Only ids of sockets count: an origin is free text, and
 * if it named a room, socket.io would exclude all members of the room.
 */
export function socketsLeftOut(io: Server, fanOut: FanOut, origin: string | undefined): string[] {
  const id = socketNamed(origin)
  return id !== undefined && isSocket(io, fanOut, id) ? [id] : []
}

/** Sockets of other servers are recognized by the format of their id. Rooms of models and local rooms are excluded. */
function isSocket(io: Server, fanOut: FanOut, id: string): boolean {
  const { sockets, adapter } = io.of('/')
  if (sockets.has(id)) return true
  return fanOut === 'cluster' && /^[\w-]{20}$/.test(id) && !id.startsWith('sails_model_') && !adapter.rooms.has(id)
}
