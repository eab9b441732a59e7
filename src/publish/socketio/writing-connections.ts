import type { Server } from 'socket.io'
import { bufferedBytes, type Connection } from './connection.ts'
import { onFlush } from './flushes.ts'

export interface WritingConnection {
  readonly connection: Connection
  /** Sent to the client, and still in this process. */
  readonly bytes: number
}

/**
 * The connections of a server that have something to write. Those of clients that receive nothing cost nothing: a
 * WebSocket only has a queue after a flush. Polling queues without one while the client does not poll.
 */
export class WritingConnections {
  static readonly #known = new WeakMap<Server, WritingConnections>()
  readonly #flushed = new Set<Connection>()

  private constructor(io: Server) {
    for (const { conn } of io.of('/').sockets.values()) this.#flushed.add(conn)
    onFlush(io, connection => this.#flushed.add(connection))
  }

  static of(io: Server): WritingConnections {
    const connections = WritingConnections.#known.get(io) ?? new WritingConnections(io)
    WritingConnections.#known.set(io, connections)
    return connections
  }

  read(): WritingConnection[] {
    const writing: WritingConnection[] = []
    for (const connection of this.#flushed) {
      const isClosed = connection.readyState === 'closed'
      const bytes = isClosed ? 0 : bufferedBytes(connection)
      if (bytes > 0) writing.push({ connection, bytes })
      else if (isClosed || connection.transport.name === 'websocket') this.#flushed.delete(connection)
    }
    return writing
  }
}
