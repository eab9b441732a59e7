import { setTimeout as sleep } from 'node:timers/promises'
import type { Server, Socket } from 'socket.io'
import { type Logger, silentLogger } from '../../logger.ts'
import { bufferedBytes, cutConnection } from './connection.ts'
import { batchWrites } from './write-batches.ts'

/** Above this, what waits for one client costs more than to read everything again. */
export const DEFAULT_MAX_BUFFERED_BYTES = 16 * 2 ** 20
/** What waits for all clients at once, as a multiple of what may wait for one. */
const ALL_CLIENTS = 16
/** The least time between two looks at all sockets, in milliseconds. */
const SAMPLE_MS = 50
const POLL_MS = 10
/** How long clients may hold up the others at once, and which part of the time in the long run. */
const PATIENCE_MS = 2_000
const PATIENCE_SHARE = 0.1

export interface ClientBuffersOptions {
  /** Above this a client is disconnected. @default 16 MiB */
  readonly maxBytes?: number | undefined
  readonly logger?: Logger
  /** Called for each client that is disconnected. */
  readonly onDisconnect?: (client: SlowClient) => void
}

/** A client that did not read what it was sent. */
export interface SlowClient {
  readonly socketId: string
  /** What was buffered for it. */
  readonly bytes: number
}

interface Buffer {
  readonly socket: Socket
  readonly bytes: number
}

/**
 * Bounds what a server keeps in memory for clients that read more slowly than it sends, as socket.io does not. First the
 * sender waits: for a while, as the others must not be held up for long. Then those who are above the limit are
 * disconnected; they come back and read again.
 */
export class ClientBuffers {
  readonly #io: Server
  readonly #maxBytes: number
  readonly #logger: Logger
  readonly #onDisconnect: (client: SlowClient) => void
  #sampledAt = Number.NEGATIVE_INFINITY
  #patienceMs = PATIENCE_MS
  /** Clients that are not waited for any more, until they have caught up. */
  #givenUp: WeakSet<Socket> = new WeakSet()

  constructor(io: Server, options: ClientBuffersOptions = {}) {
    this.#io = io
    batchWrites(io)
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BUFFERED_BYTES
    this.#logger = options.logger ?? silentLogger
    this.#onDisconnect = options.onDisconnect ?? (() => {})
  }

  /** Resolves when clients have room for more, or have been waited for long enough. Costs nothing if called often. */
  async drained(): Promise<void> {
    const sinceMs = performance.now() - this.#sampledAt
    if (sinceMs < SAMPLE_MS) return
    this.#patienceMs = Math.min(PATIENCE_MS, this.#patienceMs + sinceMs * PATIENCE_SHARE)
    let buffers = this.#sample()
    while (this.#patienceMs > 0 && this.#areHigh(buffers)) {
      await sleep(POLL_MS)
      this.#patienceMs -= performance.now() - this.#sampledAt
      buffers = this.#sample()
    }
    this.#giveUp(buffers)
    this.#disconnectSlow(buffers)
  }

  /** Disconnects who is above the limit, without waiting. */
  check(): void {
    this.#disconnectSlow(this.#sample())
  }

  /** The clients that have not received everything. */
  #sample(): Buffer[] {
    this.#sampledAt = performance.now()
    const buffers: Buffer[] = []
    for (const socket of this.#io.of('/').sockets.values()) {
      const bytes = bufferedBytes(socket.conn)
      if (bytes > 0) buffers.push({ socket, bytes })
      else this.#givenUp.delete(socket)
    }
    return buffers
  }

  #areHigh(buffers: readonly Buffer[]): boolean {
    const awaited = buffers.filter(({ socket }) => !this.#givenUp.has(socket))
    return (
      awaited.some(({ bytes }) => bytes > this.#maxBytes / 2) || total(awaited) > (this.#maxBytes * ALL_CLIENTS) / 2
    )
  }

  #giveUp(buffers: readonly Buffer[]) {
    if (this.#patienceMs > 0) return
    for (const { socket, bytes } of buffers) if (bytes > this.#maxBytes / 2) this.#givenUp.add(socket)
  }

  /** Those above the limit; and while all together are above theirs, the one with most. */
  #disconnectSlow(buffers: readonly Buffer[]) {
    let left = total(buffers)
    for (const { socket, bytes } of buffers.toSorted((a, b) => b.bytes - a.bytes)) {
      if (bytes <= this.#maxBytes && left <= this.#maxBytes * ALL_CLIENTS) return
      this.#disconnect(socket, bytes)
      left -= bytes
    }
  }

  #disconnect(socket: Socket, bytes: number) {
    const message = 'A client does not read what it is sent and is disconnected: see `maxBufferedBytes`'
    this.#logger.warn(message, { socketId: socket.id, bytes, maxBufferedBytes: this.#maxBytes })
    cutConnection(socket.conn)
    this.#onDisconnect({ socketId: socket.id, bytes })
  }
}

const total = (buffers: readonly Buffer[]) => buffers.reduce((sum, { bytes }) => sum + bytes, 0)
