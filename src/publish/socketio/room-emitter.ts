import type { Server } from 'socket.io'
import type { FanOut } from '../fan-out.ts'
import { eventLoopTurn } from '../time-slice.ts'
import { keepsMessages } from './adapter.ts'
import { HOLD_ROOM, LiveHold } from './live-hold.ts'
import { type PublishedChange, RecentSubscriptions } from './recent-subscriptions.ts'

/** Maximum number of sockets per emit, about 5 ms of work. */
const SOCKETS_PER_EMIT = 500

export interface Message {
  readonly rooms: readonly string[]
  readonly event: string
  readonly args: readonly unknown[]
  /** Ids of excluded sockets. */
  readonly except: readonly string[]
  /** Sockets whose list contains this change are excluded. */
  readonly change?: PublishedChange | undefined
}

/**
 * Emits to rooms, in order. Rooms without a local member cost nothing. A message to many local sockets is sent in batches,
 * with an event loop turn between them; later messages queue behind it. Its receivers are the room members when its turn
 * comes. With `fanOut: 'cluster'` the adapter sends it in one emit.
 */
export class RoomEmitter {
  readonly #io: Server
  readonly #fanOut: FanOut
  readonly #recent: RecentSubscriptions
  #pending: Promise<void> | undefined

  constructor(io: Server, fanOut: FanOut) {
    this.#io = io
    this.#fanOut = fanOut
    this.#recent = RecentSubscriptions.of(io)
    LiveHold.of(io).add(this)
  }

  /** Resolves when all emitted messages are sent. Undefined if none is pending. */
  get pending(): Promise<void> | undefined {
    return this.#pending
  }

  emit(message: Message): void {
    const sending = this.#pending?.then(() => this.#send(message)) ?? this.#send(message)
    if (!sending) return
    const pending = sending.finally(() => {
      if (this.#pending === pending) this.#pending = undefined
    })
    pending.catch(() => {}) // handled by the code that awaits `pending`
    this.#pending = pending
  }

  #send(message: Message): Promise<void> | undefined {
    const { rooms } = message
    if (this.#fanOut === 'cluster' || keepsMessages(this.#io)) return this.#emit(message, rooms, this.#except(message))
    const size = rooms.reduce((sum, room) => sum + this.#members(room).size, 0)
    if (size === 0) return undefined
    const except = this.#except(message)
    return size <= SOCKETS_PER_EMIT ? this.#emit(message, rooms, except) : this.#emitInBatches(message, except)
  }

  #except({ rooms, args: [payload], except, change }: Message): string[] {
    if (!change || this.#recent.isEmpty) return [...except]
    return [...except, ...this.#recent.leftOut({ rooms, payload, change })]
  }

  #emit({ event, args }: Message, to: readonly string[], except: string[]): undefined {
    const target = this.#fanOut === 'cluster' ? this.#io : this.#io.local
    target
      .to([...to])
      .except([...except, HOLD_ROOM])
      .emit(event, ...args)
  }

  /** Emits to socket ids, as each socket is in a room named by its id. */
  async #emitInBatches(message: Message, except: string[]) {
    const ids = [...new Set(message.rooms.flatMap(room => [...this.#members(room)]))]
    for (let start = 0; start < ids.length; start += SOCKETS_PER_EMIT) {
      if (start > 0) await eventLoopTurn()
      this.#emit(message, ids.slice(start, start + SOCKETS_PER_EMIT), except)
    }
  }

  #members(room: string): ReadonlySet<string> {
    return this.#io.of('/').adapter.rooms.get(room) ?? NO_MEMBERS
  }
}

const NO_MEMBERS: ReadonlySet<string> = new Set()
