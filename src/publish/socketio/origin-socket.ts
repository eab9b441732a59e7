import type { Server } from 'socket.io'
import { socketNamed } from '../origin.ts'
import type { Scope } from './adapter.ts'

/**
 * Ids of the sockets that a change with this origin leaves out. An origin is free text that a writer chooses, and socket.io
 * leaves out the members of any room that it is given: what names a room would silence the room.
 */
export function socketsLeftOut(io: Server, scope: Scope, origin: string | undefined): string[] {
  const id = socketNamed(origin)
  return id !== undefined && isSocket(io, scope, id) ? [id] : []
}

/** A socket of another server is known by the form of its id alone. Our rooms never count, nor rooms that exist here. */
function isSocket(io: Server, scope: Scope, id: string): boolean {
  const { sockets, adapter } = io.of('/')
  if (sockets.has(id)) return true
  return scope === 'cluster' && /^[\w-]{20}$/.test(id) && !id.startsWith('sails_model_') && !adapter.rooms.has(id)
}
