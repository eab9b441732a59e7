import { setTimeout as sleep } from 'node:timers/promises'
import type { Server } from 'socket.io'
import { type Logger, silentLogger } from '../../logger.ts'
import { type Connection, cutConnection } from './connection.ts'
import { batchWrites } from './write-batches.ts'
import { type WritingConnection, WritingConnections } from './writing-connections.ts'

/** A larger buffer costs more than a reconnect that reads everything again. */
export const DEFAULT_MAX_BUFFERED_BYTES = 16 * 2 ** 20
/** Limit for all clients together, as a multiple of the limit for one client. */
const ALL_CLIENTS = 16
/** Minimum interval between two checks of all sockets, in milliseconds. */
const SAMPLE_MS = 50
const POLL_MS = 10
/** Maximum time that slow clients delay the others at once, and their maximum share of the time in the long run. */
const WAIT_MS = 2_000
const WAIT_SHARE = 0.1

export interface ClientBuffersOptions {
  /** Above this a client is disconnected. @default 16 MiB */
  readonly maxBytes?: number | undefined
  readonly logger?: Logger
  /** Called for each client that is disconnected. */
  readonly onDisconnect?: (client: SlowClient) => void
}

/** A client that did not read its messages. */
export interface SlowClient {
  readonly socketId: string
  /** Bytes that were buffered for it. */
  readonly bytes: number
}

/**
 * Limits the memory for clients that read more slowly than the server sends, which socket.io does not limit. First the
 * sender waits, for a limited time. Then clients above the limit are disconnected; they reconnect and read again.
 */
export class ClientBuffers {
  readonly #io: Server
  readonly #maxBytes: number
  readonly #logger: Logger
  readonly #onDisconnect: (client: SlowClient) => void
  #sampledAt = Number.NEGATIVE_INFINITY
  #remainingWaitMs = WAIT_MS
  readonly #writing: WritingConnections
  /** Clients that the sender no longer waits for, until they have caught up. */
  #ignored = new Set<Connection>()

  constructor(io: Server, options: ClientBuffersOptions = {}) {
    this.#io = io
    batchWrites(io)
    this.#writing = WritingConnections.of(io)
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BUFFERED_BYTES
    this.#logger = options.logger ?? silentLogger
    this.#onDisconnect = options.onDisconnect ?? (() => {})
  }

  /** Resolves when the buffers have room, or after the maximum wait. Cheap to call often. */
  async drained(): Promise<void> {
    const sinceMs = performance.now() - this.#sampledAt
    if (sinceMs < SAMPLE_MS) return
    this.#remainingWaitMs = Math.min(WAIT_MS, this.#remainingWaitMs + sinceMs * WAIT_SHARE)
    let buffers = this.#sample()
    while (this.#remainingWaitMs > 0 && this.#areHigh(buffers)) {
      await sleep(POLL_MS)
      this.#remainingWaitMs -= performance.now() - this.#sampledAt
      buffers = this.#sample()
    }
    this.#ignoreSlow(buffers)
    this.#disconnectSlow(buffers)
  }

  /** Disconnects clients above the limit, without waiting. */
  check(): void {
    this.#disconnectSlow(this.#sample())
  }

  #sample(): WritingConnection[] {
    this.#sampledAt = performance.now()
    const buffers = this.#writing.read()
    this.#ignored = new Set(buffers.map(({ connection }) => connection).filter(each => this.#ignored.has(each)))
    return buffers
  }

  #areHigh(buffers: readonly WritingConnection[]): boolean {
    const awaited = buffers.filter(({ connection }) => !this.#ignored.has(connection))
    return (
      awaited.some(({ bytes }) => bytes > this.#maxBytes / 2) || total(awaited) > (this.#maxBytes * ALL_CLIENTS) / 2
    )
  }

  #ignoreSlow(buffers: readonly WritingConnection[]) {
    if (this.#remainingWaitMs > 0) return
    for (const { connection, bytes } of buffers) if (bytes > this.#maxBytes / 2) this.#ignored.add(connection)
  }

  /** Disconnects clients above the limit, then, while the total is above its limit, those with the largest buffers. */
  #disconnectSlow(buffers: readonly WritingConnection[]) {
    let left = total(buffers)
    for (const { connection, bytes } of buffers.toSorted((a, b) => b.bytes - a.bytes)) {
      if (bytes <= this.#maxBytes && left <= this.#maxBytes * ALL_CLIENTS) return
      this.#disconnect(connection, bytes)
      left -= bytes
    }
  }

  #disconnect(connection: Connection, bytes: number) {
    const sockets = [...this.#io.of('/').sockets.values()]
    const socketId = sockets.find(({ conn }) => conn === connection)?.id ?? ''
    const message = 'Disconnected a client that does not read its messages. It will reconnect. See `maxBufferedBytes`'
    this.#logger.warn(message, { socketId, bytes, maxBufferedBytes: this.#maxBytes })
    cutConnection(connection)
    this.#onDisconnect({ socketId, bytes })
  }
}

const total = (buffers: readonly WritingConnection[]) => buffers.reduce((sum, { bytes }) => sum + bytes, 0)
