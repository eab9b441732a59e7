import type { Server } from 'socket.io'
import { eventLoopTurn } from '../time-slice.ts'
import { keepsMessages, type Scope } from './adapter.ts'

/** Sockets that one emit serves: some 5 ms of work. */
const SOCKETS_PER_EMIT = 500

export interface Message {
  readonly rooms: readonly string[]
  readonly event: string
  readonly args: readonly unknown[]
  /** Ids of sockets that are left out. */
  readonly except: readonly string[]
}

/**
 * Emits to rooms, in order. Rooms without a member on this server cost nothing; a message to very many sockets of it is
 * sent in portions, between which the event loop turns, and messages that are emitted meanwhile follow it. Who receives it
 * is settled when its turn comes. With `scope: 'cluster'` the adapter sends it as a whole.
 */
export class RoomEmitter {
  readonly #io: Server
  readonly #scope: Scope
  #pending: Promise<void> | undefined

  constructor(io: Server, scope: Scope) {
    this.#io = io
    this.#scope = scope
  }

  /** Resolves when everything that was emitted is sent; undefined when it is already. */
  get pending(): Promise<void> | undefined {
    return this.#pending
  }

  emit(message: Message): void {
    const sending = this.#pending?.then(() => this.#send(message)) ?? this.#send(message)
    if (!sending) return
    const pending = sending.finally(() => {
      if (this.#pending === pending) this.#pending = undefined
    })
    pending.catch(() => {}) // it is for those who wait for it
    this.#pending = pending
  }

  #send(message: Message): Promise<void> | undefined {
    const { rooms } = message
    if (this.#scope === 'cluster' || keepsMessages(this.#io)) return this.#emit(message, rooms)
    const size = rooms.reduce((sum, room) => sum + this.#members(room).size, 0)
    if (size === 0) return undefined
    return size <= SOCKETS_PER_EMIT ? this.#emit(message, rooms) : this.#emitInPortions(message)
  }

  #emit({ event, args, except }: Message, to: readonly string[]): undefined {
    const target = this.#scope === 'cluster' ? this.#io : this.#io.local
    target
      .to([...to])
      .except([...except])
      .emit(event, ...args)
  }

  /** Each socket is in a room of its own, which its id names. */
  async #emitInPortions(message: Message) {
    const ids = [...new Set(message.rooms.flatMap(room => [...this.#members(room)]))]
    for (let start = 0; start < ids.length; start += SOCKETS_PER_EMIT) {
      if (start > 0) await eventLoopTurn()
      this.#emit(message, ids.slice(start, start + SOCKETS_PER_EMIT))
    }
  }

  #members(room: string): ReadonlySet<string> {
    return this.#io.of('/').adapter.rooms.get(room) ?? NOBODY
  }
}

const NOBODY: ReadonlySet<string> = new Set()
