import type { Server, Socket } from 'socket.io'
import { io as connect } from 'socket.io-client-4'
import type { Models } from '../../../src/models/model.ts'
import { classRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { applyEvent, type Contents, comparable, type Held, readContents } from '../../helpers/contents.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { type Entry, MessageLog } from './message-log.ts'

/** The records of a model, as the server answers `read`. */
type Answer = [number, { values: Held['values']; members: Record<string, number[]> }][]

/**
 * Answers `read` of clients: subscribes the socket to a model and its records, and reads them. It reads again until the
 * socket was in the rooms of all records before the read.
 */
export function serveReads(io: Server, database: TestDatabase, models: Models): void {
  const read = async (socket: Socket, identity: string) => {
    await socket.join(classRoom(identity))
    for (;;) {
      const contents = await eventually(() => readContents(database, models), { withinMs: 60_000, everyMs: 200 })
      const records = [...(contents.get(identity) ?? [])]
      const missing = records.map(([id]) => recordRoom(identity, id)).filter(room => !socket.rooms.has(room))
      if (missing.length === 0) return records
      await socket.join(missing)
    }
  }
  io.on('connection', socket => {
    socket.on('read', async (identity: string, answer: (records: Answer) => void) => {
      const plain = ([id, { values, members }]: [number, Held]): Answer[number] => [
        id,
        { values, members: Object.fromEntries(Object.entries(members).map(([alias, ids]) => [alias, [...ids]])) },
      ]
      answer((await read(socket, identity)).map(plain))
    })
  })
}

/** A browser that keeps a copy of all models, and records what it receives. */
export class SocketCopy {
  readonly log: MessageLog
  readonly #models: Models
  readonly #contents: Contents = new Map()
  readonly #socket: ReturnType<typeof connect>
  #reading = 0

  constructor(name: string, port: number, models: Models) {
    this.log = new MessageLog(name)
    this.#models = models
    this.#socket = connect(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true })
    afterScope(() => this.#socket.disconnect())
    const shown = [...models.values()].filter(({ junction }) => !junction).map(({ identity }) => identity)
    this.#reading = 1
    this.#socket.on('connect', () => {
      this.#reading = 0
      for (const identity of shown) this.#read(identity)
    })
    for (const identity of shown) {
      this.#socket.on(identity, (message: Message, meta: { cursor: string }) => this.#hear(identity, message, meta))
    }
    this.#socket.on('changefeed', ({ identity, reason }: { identity: string; reason: string }) => {
      this.log.add({ verb: 'refetch', identity, reason, key: '', text: `${identity} refetch ${reason}` })
      this.#read(identity)
    })
  }

  get isReading(): boolean {
    return this.#reading > 0
  }

  get contents(): string[] {
    return comparable(this.#contents, this.#models)
  }

  #read(identity: string) {
    this.#reading++
    this.#socket.emit('read', identity, (records: Answer) => {
      this.#reading--
      const held = records.map(([id, { values, members }]): [number, Held] => [
        id,
        { values, members: Object.fromEntries(Object.entries(members).map(([alias, ids]) => [alias, new Set(ids)])) },
      ])
      this.#contents.set(identity, new Map(held))
      this.log.add({ verb: 'read', identity, key: '', text: `${identity} read` })
    })
  }

  #hear(identity: string, message: Message, { cursor }: { cursor: string }) {
    this.log.add(entryOf(identity, message, cursor))
    const event = { identity, id: message.id }
    const { data = {} } = message
    switch (message.verb) {
      case 'created':
        return applyEvent(this.#contents, { ...event, verb: 'created', record: data, reverse: [] })
      case 'updated':
        return applyEvent(this.#contents, { ...event, verb: 'updated', changes: data })
      case 'destroyed':
        return applyEvent(this.#contents, { ...event, verb: 'destroyed' })
      case 'addedTo':
        return applyEvent(this.#contents, {
          ...event,
          ...{ verb: 'addedTo', alias: message.attribute ?? '', childId: message.addedId ?? 0 },
        })
      case 'removedFrom':
        return applyEvent(this.#contents, {
          ...event,
          ...{ verb: 'removedFrom', alias: message.attribute ?? '', childId: message.removedId ?? 0 },
        })
    }
  }
}

interface Message {
  readonly verb: 'created' | 'updated' | 'destroyed' | 'addedTo' | 'removedFrom'
  readonly id: number
  readonly data?: Record<string, unknown>
  readonly attribute?: string
  readonly addedId?: number
  readonly removedId?: number
}

function entryOf(identity: string, message: Message, cursor: string): Entry {
  const { verb, id, data, attribute, addedId, removedId } = message
  return {
    ...{ verb, identity, id },
    ...(typeof data?.rev === 'number' && { rev: data.rev }),
    key: [cursor, identity, verb, id, attribute, addedId ?? removedId].join(' '),
    text: `${identity} ${id} ${verb} ${JSON.stringify({ data, attribute, addedId, removedId })} ${cursor}`,
  }
}
