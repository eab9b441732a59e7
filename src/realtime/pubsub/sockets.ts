import type { Server, Socket } from 'socket.io'
import { ChangefeedError } from '../../errors.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import { type Done, settled } from '../blueprints/settle.ts'

/** A socket, or a request over a socket. */
export type SocketOrRequest = Socket | { readonly socket?: unknown }

/** A socket, a request, a socket's id, or the name of a room whose members join or leave. */
export type Member = SocketOrRequest | string | number

export interface LeaveAllOptions {
  /** Leave the rooms named by the sockets' own ids as well. @default false */
  readonly includeSocketRooms?: boolean
  /** Leave the room itself as well. @default true */
  readonly includeSourceRoom?: boolean
}

/**
 * `sails.sockets` on any socket.io server. Local sockets have changed rooms when a function returns. The promise (and the
 * callback, if passed) settles when the change has been sent to the other servers. All functions work across servers through
 * the socket.io adapter.
 */
export interface Sockets {
  /** The default event of `broadcast` and `blast`: `message`. */
  readonly DEFAULT_EVENT_NAME: string
  /** Joins a room. An id that is not a socket of this server is the name of a room, whose members all join. */
  join(members: Member | readonly Member[], room: string, done?: Done): Promise<true | undefined>
  leave(members: Member | readonly Member[], room: string, done?: Done): Promise<true | undefined>
  /** The members of the room leave all their rooms, except the one named by their own id. */
  leaveAll(room: string, done?: Done): Promise<void>
  leaveAll(room: string, options?: LeaveAllOptions, done?: Done): Promise<void>
  /** Sends one message to each socket in any of the rooms. */
  broadcast(rooms: string | readonly string[], data: unknown): void
  broadcast(rooms: string | readonly string[], eventName: string, data: unknown, socketToOmit?: unknown): void
  broadcast(rooms: string | readonly string[], data: object, socketToOmit: unknown): void
  /** Sends one message to each socket. */
  blast(data: unknown): void
  blast(eventName: string, data: unknown, socketToOmit?: unknown): void
  blast(data: object, socketToOmit: unknown): void
  /** The id of a socket or of a request's socket; undefined for anything else. */
  getId(socket: unknown): string | undefined
  /** The socket of this server with this id. Throws `E_USAGE` if there is none. */
  get(id: string | number): Socket
  /** The socket itself, the socket of a request, or undefined. */
  parseSocket(socket: unknown): Socket | undefined
  addRoomMembersToRooms(source: string, destinations: string | readonly string[], done?: Done): Promise<void>
  removeRoomMembersFromRooms(source: string, destinations: string | readonly string[], done?: Done): Promise<void>
  /** Does nothing, as in Sails v1. */
  publishToFirehose(message?: unknown): void

  /** v0.12: `getId`. */
  id(socket: unknown): string | undefined
  /** v0.12: the rooms that have members on this server. */
  rooms(): string[]
  /** v0.12: the rooms of a socket. */
  socketRooms(socket: unknown): string[]
  /** v0.12: the ids of this server's sockets in a room, or of all its sockets. */
  subscribers(room?: string): string[]
  /** v0.12: sends a message to sockets by id. */
  emit(ids: string | readonly string[], eventName: string, data?: unknown): void
  emit(ids: string | readonly string[], data: object): void
  /** v0.12: `blast`. */
  emitToAll(eventName: string, data?: unknown): void
  emitToAll(data: object): void
}

const DEFAULT_EVENT_NAME = 'message'

/** `sails.sockets` for this server. The functions do not depend on `this`. */
export function sailsSockets(io: Server, logger: Logger = silentLogger): Sockets {
  const get = (id: string | number): Socket => {
    if (typeof id !== 'string' && typeof id !== 'number') {
      throw new ChangefeedError('E_USAGE', 'sockets.get() requires the id of a socket: a string or a number.')
    }
    const socket = io.of('/').sockets.get(String(id))
    if (socket) return socket
    throw new ChangefeedError('E_USAGE', `This server has no socket with the id "${id}". It may have disconnected.`)
  }
  const move = (verb: 'join' | 'leave', members: Member | readonly Member[], room: string, done?: Done) => {
    const what = `sockets.${verb}()`
    const all = Array.isArray(members) ? members : [members]
    const work = attempt(() => all.flatMap(member => changeRoom(verb, member, room)))
    return settled(
      work.then((): true => true),
      done,
      logger,
      what,
    )
  }
  const changeRoom = (verb: 'join' | 'leave', member: Member, name: string) => {
    const isOne = parseSocket(member) !== undefined || isName(member)
    if (!isOne) return logger.warn(`sockets.${verb}() ignored a value that is not a socket`, { room: name })
    const room = requireRoom(name, `sockets.${verb}()`)
    const socket = parseSocket(member) ?? io.of('/').sockets.get(String(member))
    if (socket) return verb === 'join' ? socket.join(room) : socket.leave(room)
    return moveMembers(verb, String(member), [room])
  }
  /** Moves local sockets synchronously first, then those of all servers through the adapter. */
  const moveMembers = (verb: 'join' | 'leave', source: string, destinations: string[]) => {
    for (const operator of [io.local.in(source), io.in(source)]) {
      if (verb === 'join') operator.socketsJoin(destinations)
      else operator.socketsLeave(destinations)
    }
  }
  const moveRoom = (verb: 'join' | 'leave', what: string) => {
    return (source: string, destinations: string | readonly string[], done?: Done): Promise<void> => {
      const named = [destinations].flat().filter(room => typeof room === 'string')
      return settled(
        attempt(() => [moveMembers(verb, requireRoom(source, what), named)]),
        done,
        logger,
        what,
      )
    }
  }
  const leaveAll = (room: string, ...rest: (LeaveAllOptions | Done | undefined)[]): Promise<void> => {
    const done = rest.find(argument => typeof argument === 'function')
    const options = rest.find(argument => typeof argument === 'object') ?? {}
    const work = attempt(() => [leaveEverything(io, requireRoom(room, 'sockets.leaveAll()'), options)])
    return settled(work, done, logger, 'sockets.leaveAll()')
  }
  const emit = (rooms: readonly string[] | undefined, args: unknown[]) => {
    if (rooms?.length === 0) return // socket.io would send to all sockets
    const { event, data, omit } = messageOf(args)
    const to = rooms ? io.to([...rooms]) : io.sockets
    const socket = parseSocket(omit)
    void to.except(socket ? [socket.id] : []).emit(event, asData(data))
  }
  const getId = (socket: unknown) => parseSocket(socket)?.id
  const blast = (...args: unknown[]) => emit(undefined, args)
  return {
    DEFAULT_EVENT_NAME,
    join: (members, room, done) => move('join', members, room, done),
    leave: (members, room, done) => move('leave', members, room, done),
    leaveAll,
    broadcast: (rooms: string | readonly string[], ...args: unknown[]) => emit([rooms].flat(), args),
    blast,
    getId,
    get,
    parseSocket,
    addRoomMembersToRooms: moveRoom('join', 'sockets.addRoomMembersToRooms()'),
    removeRoomMembersFromRooms: moveRoom('leave', 'sockets.removeRoomMembersFromRooms()'),
    publishToFirehose() {},
    id: getId,
    rooms: () => [...io.of('/').adapter.rooms.keys()],
    socketRooms: socket => [...(parseSocket(isName(socket) ? get(socket) : socket)?.rooms ?? [])],
    subscribers: room => [
      ...(room === undefined ? io.of('/').sockets.keys() : (io.of('/').adapter.rooms.get(room) ?? [])),
    ],
    emit: (ids: string | readonly string[], ...args: unknown[]) => emit([ids].flat(), args),
    emitToAll: blast,
  }
}

/** The socket itself, the socket of a request, or undefined. */
export function parseSocket(value: unknown): Socket | undefined {
  if (isSocket(value)) return value
  const { socket } = (value ?? {}) as { socket?: unknown }
  return isSocket(socket) ? socket : undefined
}

/** Checks for `join`, because the TCP socket of an HTTP request has `emit` as well. */
function isSocket(value: unknown): value is Socket {
  const { emit, join } = (value ?? {}) as Partial<Socket>
  return typeof emit === 'function' && typeof join === 'function' && !Array.isArray(value)
}

const isName = (value: unknown): value is string | number => typeof value === 'string' || typeof value === 'number'

function requireRoom(room: unknown, what: string): string {
  if (typeof room === 'string' && room !== '') return room
  throw new ChangefeedError('E_USAGE', `${what} requires the name of a room: a non-empty string.`)
}

/**
 * `([event], data, [omit])` as documented: a single argument, or a first argument that is not a string, is the data. Sails
 * itself ignores `omit` if no event is passed.
 */
function messageOf(args: unknown[]): { event: string; data: unknown; omit: unknown } {
  const [first, second, third] = args
  const isNamed = args.length > 1 && (typeof first === 'string' || first === null || first === undefined)
  if (!isNamed) return { event: DEFAULT_EVENT_NAME, data: first, omit: second }
  return { event: typeof first === 'string' && first !== '' ? first : DEFAULT_EVENT_NAME, data: second, omit: third }
}

/** A socket cannot be serialized, so its id is sent instead. */
const asData = (data: unknown) => (isSocket(data) ? { id: data.id } : data)

async function leaveEverything(io: Server, source: string, options: LeaveAllOptions): Promise<void> {
  const { includeSocketRooms = false, includeSourceRoom = true } = options
  for (const socket of await io.in(source).fetchSockets()) {
    for (const room of [...socket.rooms]) {
      const stays = (room === socket.id && !includeSocketRooms) || (room === source && !includeSourceRoom)
      if (!stays) socket.leave(room)
    }
  }
}

/** Runs synchronously. Errors become rejections. */
async function attempt(run: () => unknown[]): Promise<void> {
  await Promise.all(run())
}
