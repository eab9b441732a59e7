import type { RecordId } from '../../models/model.ts'
import { isRecordId } from '../../publish/mapping/record-id.ts'
import { type Step, toRecord } from '../../publish/socketio/messages.ts'
import { classRoom, contextRoom, recordRoom } from '../../publish/socketio/rooms.ts'
import { idOfRecord, idsOf, type PubSubContext } from './context.ts'
import type { Contexts, PubSubMethods, RecordOrId } from './methods.ts'
import { parseSocket } from './sockets.ts'

type RoomMethods = Pick<
  PubSubMethods,
  'publish' | 'subscribe' | 'unsubscribe' | 'getRoomName' | '_watch' | '_introduce' | '_retire' | '_room' | '_classRoom'
>

/** The functions of a model that join and leave its rooms and send the app's own messages to them. */
export function roomMethods(context: PubSubContext): RoomMethods {
  const { model, sockets, logger, self, performer } = context
  const { identity } = model
  const move = (
    verb: 'join' | 'leave',
    req: unknown,
    records: Parameters<PubSubMethods['subscribe']>[1],
    contexts?: Contexts,
  ) => {
    const what = verb === 'join' ? 'subscribe' : 'unsubscribe'
    const socket = parseSocket(req)
    if (!socket) return logger.debug(`${identity}.${what}() ignored a request that did not come over a socket`)
    if (isMissing(records)) return logger.error(`${identity}.${what}() requires ids`)
    for (const id of idsOf(context, records, what)) {
      for (const room of roomsOf(self(), identity, id, contexts)) void sockets[verb](socket, room)
    }
  }
  const perform = (step: Step, except: string[] = []) => void performer.perform(step, { except })
  return {
    publish: (ids: RecordOrId | readonly RecordOrId[] | null, ...args: unknown[]) => {
      const { event, kind, data, req } = publication(identity, args)
      const except = omitted(req)
      if (isMissing(ids)) {
        if (kind === undefined) return logger.error(`${identity}.publish() requires ids`)
        return perform({ do: 'emit', rooms: [classRoom(identity)], event, payload: data as object }, except)
      }
      for (const id of idsOf(context, ids, 'publish')) {
        const of = { identity, id }
        const step = toRecord(of, kind ?? identity, data as object)
        perform({ ...step, event }, except)
      }
    },
    subscribe: (req, ids, contexts) => move('join', req, ids, contexts),
    unsubscribe: (req, ids, contexts) => move('leave', req, ids, contexts),
    getRoomName: id => self()._room(id),
    _watch: req => {
      const socket = parseSocket(req)
      if (!socket) return logger.debug(`${identity}._watch() ignored a request that did not come over a socket`)
      void sockets.join(socket, self()._classRoom())
    },
    _introduce: record => {
      const id = idOfRecord(model, record)
      void sockets.addRoomMembersToRooms(self()._classRoom(), roomsOf(self(), identity, id))
    },
    _retire: record => perform({ do: 'unsubscribe', identity, id: idOfRecord(model, record) }),
    _room: id => {
      if (isRecordId(id)) return recordRoom(identity, id)
      logger.error(`${identity}._room() requires an id`)
      return undefined
    },
    _classRoom: () => classRoom(identity),
  }
}

/** The ids of the excluded sockets: the requesting socket, if any. */
export function omitted(req: unknown): string[] {
  const socket = parseSocket(req)
  return socket ? [socket.id] : []
}

/** The record's room, or the rooms of the contexts in `contexts` or in the model's `autosubscribe`. */
function roomsOf(model: { autosubscribe?: unknown }, identity: string, id: RecordId, contexts?: Contexts): string[] {
  const chosen = contexts ?? model.autosubscribe ?? true
  if (chosen === true || chosen === '*') return [recordRoom(identity, id)]
  const names = [chosen].flat().filter(name => typeof name === 'string')
  return names.map(name => contextRoom(identity, id, name))
}

const isMissing = (records: unknown): records is null | undefined | '' | false =>
  records === null || records === undefined || records === '' || records === false

/**
 * The arguments are `(data, req)` in v1 and `([event], [context], data, req)` in v0.12. After a string, v1 has a request, and
 * v0.12 has a context or the data.
 */
function publication(identity: string, args: unknown[]) {
  const [first, second, third, fourth] = args
  const named = typeof first === 'string' || first === null
  const event = typeof first === 'string' ? first : identity
  if (named && typeof second === 'string') return { event, kind: second, data: third, req: fourth }
  if (named && second === null && args.length > 2) return { event, kind: 'message', data: third, req: fourth }
  const isData = second !== null && typeof second === 'object' && !isRequester(second)
  if (named && isData) return { event, kind: 'message', data: second, req: third }
  return { event: identity, kind: undefined, data: first, req: second }
}

const isRequester = (value: unknown) =>
  parseSocket(value) !== undefined || (value !== null && typeof value === 'object' && 'headers' in value)
