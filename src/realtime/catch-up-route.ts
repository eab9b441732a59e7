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
  holdReturningSockets(io, catchUp)
  router.add(CATCH_UP_ADDRESS, async (req, res) => res.ok(await catchUpByRequest(req, catchUp)))
}

/** Holds sockets whose handshake announces that they will catch up. Those that do not ask in time receive a gap. */
export function holdReturningSockets(io: Server, catchUp: CatchUp): void {
  LiveHold.of(io).holdAnnounced(io, socket => void catchUp(socket, {}).catch(() => declareExpired(socket)))
}

/** Throws a `Refusal`, with the status and the body of the answer. */
export async function catchUpByRequest({ isSocket, socket, query }: CatchUpRouteRequest, catchUp: CatchUp) {
  if (!isSocket) throw badRequest(SOCKETS_ONLY)
  const { cursor, inclusive } = query
  try {
    return await catchUp(socket as Socket, {
      cursor: cursor === '' ? undefined : (cursor as string | undefined),
      inclusive: isSet(inclusive),
    })
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

/** Where the feed cannot tell a cursor, so that no `caughtUp` follows. */
function declareExpired(socket: Socket) {
  LiveHold.of(socket.nsp.server).release(socket)
  const identities = [...new Set([...socket.rooms].flatMap(identitiesOfRoom))]
  socket.emit(FEED_EVENT, { verb: 'gap', reason: 'expired', identities })
}
