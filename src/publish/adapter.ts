import type { Server } from 'socket.io'

/** socket.io's own adapters, which know the sockets of one process only. */
const IN_MEMORY = new Set(['Adapter', 'SessionAwareAdapter'])

/** Whether a message emitted on this server reaches its own sockets alone, as no cluster adapter passes it on. */
export const isInMemory = (io: Server): boolean => IN_MEMORY.has(io.of('/').adapter.constructor.name)
