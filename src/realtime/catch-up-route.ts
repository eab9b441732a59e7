import type { Server, Socket } from 'socket.io'
import { ChangefeedError } from '../errors.ts'
import { LiveHold } from '../publish/socketio/live-hold.ts'
import { FEED_EVENT } from '../publish/socketio/messages.ts'
import { identitiesOfRoom } from '../publish/socketio/rooms.ts'
import { badRequest, Refusal } from './requests/refusal.ts'
import type { Router } from './requests/router.ts'

/** The method of a feed that a socket catches up by. */
export type CatchUp = (
  socket: Socket,
  request: { readonly cursor?: string | undefined; readonly inclusive?: boolean },
) => Promise<object>

/** `GET /changefeed/since?cursor=...`: sends the requesting socket what it missed. */
export const CATCH_UP_ADDRESS = 'GET /changefeed/since'

/** A request for what a socket missed. */
export interface CatchUpRouteRequest {
  readonly isSocket?: boolean | undefined
  readonly socket: unknown
  readonly query: Readonly<Record<string, unknown>>
}

/** Answers the request on this router, and holds sockets that announce it. */
export function addCatchUpRoute(router: Router, io: Server, catchUp: CatchUp): void {
  holdReturningSockets(io)
  router.add(CATCH_UP_ADDRESS, async (req, res) => res.ok(await catchUpByRequest(req, catchUp)))
}

/** Holds sockets whose handshake announces that they will catch up. */
export const holdReturningSockets = (io: Server): void => LiveHold.of(io).holdAnnounced(io, expired)

/** Throws a `Refusal`, with the status and the body of the answer. */
export async function catchUpByRequest({ isSocket, socket, query }: CatchUpRouteRequest, catchUp: CatchUp) {
  if (!isSocket) throw badRequest(SOCKETS_ONLY)
  const { cursor, inclusive } = query
  if (cursor !== undefined && typeof cursor !== 'string') throw badRequest('Pass the cursor of a message unchanged.')
  try {
    return await catchUp(socket as Socket, { cursor, inclusive: isSet(inclusive) })
  } catch (error) {
    return refuse(error)
  }
}

const SOCKETS_ONLY = 'Messages are sent to a socket: send this request over a socket, as io.socket.get() does.'

const isSet = (value: unknown) => value === '1' || value === 'true' || value === true || value === 1

/** Messages of our own errors are for clients as well. */
function refuse(error: unknown): never {
  if (!(error instanceof ChangefeedError)) throw error
  if (error.code === 'E_USAGE') throw badRequest(error.message)
  if (error.code === 'E_FORBIDDEN') throw new Refusal(403, 'E_FORBIDDEN', error.message)
  if (error.code === 'E_STATE') throw new Refusal(503, 'E_UNAVAILABLE', error.message)
  throw error
}

/** A client that announced that it would catch up has not asked: it may have missed anything. */
function expired(socket: Socket) {
  const identities = [...new Set([...socket.rooms].flatMap(identitiesOfRoom))]
  socket.emit(FEED_EVENT, { verb: 'gap', reason: 'declared', identities })
}
