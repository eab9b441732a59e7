import type { Socket } from 'socket.io'
import { FEED_EVENT } from '../publish/socketio/messages.ts'

/** How often clients receive a cursor, in milliseconds. */
const INTERVAL_MS = 60_000

/**
 * Sends cursors to the sockets that have caught up, so that the cursor of a client that receives no messages does not become
 * too old. Each is one interval old, so that everything before it has arrived, on every node.
 */
export class Checkpoints {
  readonly #cursor: () => Promise<string>
  readonly #sockets = new Set<Socket>()
  readonly #timer: NodeJS.Timeout
  #noted: string | undefined

  /** `cursor`: of the last published change. */
  constructor(cursor: () => Promise<string>) {
    this.#cursor = cursor
    this.#timer = setInterval(() => void this.#send(), INTERVAL_MS).unref()
  }

  follow(socket: Socket): void {
    if (!socket.connected || this.#sockets.has(socket)) return
    this.#sockets.add(socket)
    socket.once('disconnect', () => this.#sockets.delete(socket))
  }

  end(): void {
    clearInterval(this.#timer)
  }

  async #send() {
    const cursor = this.#noted
    this.#noted = await this.#cursor().catch(() => undefined)
    if (cursor === undefined) return
    for (const socket of this.#sockets) socket.emit(FEED_EVENT, { verb: 'checkpoint', cursor })
  }
}
