import type { Server } from 'socket.io'
import type { FanOut } from '../fan-out.ts'

/** Class names of socket.io's in-memory adapters, which serve one process. */
const IN_MEMORY = new Set(['Adapter', 'SessionAwareAdapter'])

/** Whether messages emitted on this server reach only its own sockets, because it has no cluster adapter. */
export const isInMemory = (io: Server): boolean => IN_MEMORY.has(io.of('/').adapter.constructor.name)

/** Whether the local rooms determine all receivers of a message: no other servers, no messages kept for later. */
export const knowsReceivers = (io: Server, fanOut: FanOut): boolean =>
  fanOut === 'local' && isInMemory(io) && !keepsMessages(io)

/** Whether the adapter keeps messages for disconnected sockets, which are in no room until they reconnect. */
export const keepsMessages = (io: Server): boolean => io.of('/').adapter.constructor.name === 'SessionAwareAdapter'

/** Null for a server without a port, such as a listener that reaches the sockets of other servers through an adapter. */
export const socketsConnectedTo = (io: Server): number | null => io.engine?.clientsCount ?? null
