import type { Server } from 'socket.io'
import type { Connection } from './connection.ts'

/**
 * Calls back whenever a client's connection begins to write what is queued for it. A server that is not attached to a port yet
 * is followed from its first connection on.
 */
export function onFlush(io: Server, flushed: (connection: Connection) => void): void {
  const followed = new WeakSet<Server['engine']>()
  const follow = (engine: Server['engine']) => {
    if (followed.has(engine)) return
    followed.add(engine)
    engine.on('flush', flushed)
  }
  if (io.engine) follow(io.engine)
  io.on('connection', () => follow(io.engine))
}
