import type { MessageMeta } from '../publish/mapping/record-event.ts'
import { type EmitStep, FEED_EVENT, type Step } from '../publish/socketio/messages.ts'
import { classRoom, contextRoom, identitiesOfRoom, recordRoom } from '../publish/socketio/rooms.ts'
import type { SentEvent } from '../publish/socketio/sent-event.ts'

/** The parts of a socket that a replay uses. */
export interface ReplayedSocket {
  readonly id: string
  readonly rooms: ReadonlySet<string>
  join(room: string): unknown
  leave(room: string): unknown
}

export interface ReplayParts {
  /** Sends a message to the socket, and returns its size in bytes. */
  readonly emit: (event: string, payload: object, meta: ReplayedMeta) => number
  /** Tells what the socket need not receive. */
  readonly isLeftOut: (step: EmitStep, cursor: string) => boolean
}

type ReplayedMeta = MessageMeta & { readonly replayed: true }

/**
 * Sends past events to one socket as if it had been connected: a message if it is in one of its rooms, and it joins and
 * leaves rooms as the members of a room do.
 *
 * A record that was destroyed meanwhile has no room any more, so the client could not subscribe to it again. Its `destroyed`
 * goes to the subscribers of the model's new records, without `previous`.
 */
export class SocketReplay {
  readonly #socket: ReplayedSocket
  readonly #parts: ReplayParts
  /** Number of messages sent so far, and their size in bytes. */
  messages = 0
  bytes = 0

  constructor(socket: ReplayedSocket, parts: ReplayParts) {
    this.#socket = socket
    this.#parts = parts
  }

  send({ steps, meta, except }: SentEvent): void {
    const isOrigin = except.includes(this.#socket.id)
    for (const step of steps) this.#perform(step, meta, isOrigin)
  }

  #perform(step: Step, meta: MessageMeta, isOrigin: boolean) {
    const { rooms } = this.#socket
    switch (step.do) {
      case 'emit':
        if (!isOrigin && !this.#parts.isLeftOut(step, meta.cursor)) this.#emit(step, meta)
        return
      case 'subscribe':
        if (rooms.has(step.from)) void this.#socket.join(step.to)
        return
      case 'unsubscribe':
        for (const room of rooms) if (isRoomOf(room, step)) void this.#socket.leave(room)
        return
      case 'refetch':
        if (isInAnyRoom(rooms, step.identity)) this.#send(FEED_EVENT, step.payload, meta)
    }
  }

  #emit({ rooms, event, payload }: EmitStep, meta: MessageMeta) {
    const { rooms: own } = this.#socket
    if (rooms.some(room => own.has(room))) return this.#send(event, payload, meta)
    const { verb, id } = payload as { readonly verb?: unknown; readonly id?: unknown }
    if (verb === 'destroyed' && own.has(classRoom(event))) this.#send(event, { verb, id }, meta)
  }

  #send(event: string, payload: object, meta: MessageMeta) {
    this.messages++
    this.bytes += this.#parts.emit(event, payload, { ...meta, replayed: true })
  }
}

function isRoomOf(room: string, { identity, id }: { readonly identity: string; readonly id: string | number }) {
  return room === recordRoom(identity, id) || room.startsWith(contextRoom(identity, id, ''))
}

const isInAnyRoom = (rooms: ReadonlySet<string>, identity: string): boolean => {
  for (const room of rooms) if (identitiesOfRoom(room).includes(identity)) return true
  return false
}
