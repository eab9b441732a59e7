import type { Server } from 'socket.io'

/** Whose sockets are meant: those of this process, or those of all that share the adapter. */
export type Scope = 'local' | 'cluster'

/** socket.io's own adapters, which know the sockets of one process only. */
const IN_MEMORY = new Set(['Adapter', 'SessionAwareAdapter'])

/** Whether a message emitted on this server reaches its own sockets alone, as no cluster adapter passes it on. */
export const isInMemory = (io: Server): boolean => IN_MEMORY.has(io.of('/').adapter.constructor.name)

/** Whether the rooms of this process say who receives a message on this server: its sockets alone, as they are now. */
export const knowsReceivers = (io: Server, scope: Scope): boolean =>
  scope === 'local' && isInMemory(io) && !keepsMessages(io)

/** Whether messages are kept for sockets that come back, which are members of no room meanwhile. */
export const keepsMessages = (io: Server): boolean => io.of('/').adapter.constructor.name === 'SessionAwareAdapter'

/** Null for a server without a port, as of a listener that reaches the sockets of others through an adapter. */
export const socketsConnectedTo = (io: Server): number | null => io.engine?.clientsCount ?? null
