import type { Server, Socket } from 'socket.io'
import { ChangefeedError } from '../errors.ts'
import { LiveHold } from '../publish/socketio/live-hold.ts'
import { badRequest, Refusal } from './requests/refusal.ts'
import type { RealtimeHandler } from './requests/request.ts'
import type { Router } from './requests/router.ts'

/** The method of a feed that a socket catches up by. */
export type CatchUp = (
  socket: Socket,
  request: { readonly cursor?: string | undefined; readonly inclusive?: boolean },
) => Promise<object>

/** The answer of {@link catchUpRoute} to a request over HTTP. */
export const SOCKETS_ONLY = 'Messages are sent to a socket: send this request over a socket, as io.socket.get() does.'

/** `GET /changefeed/since?cursor=...`: sends the requesting socket what it missed. */
export function addCatchUpRoute(router: Router, io: Server, catchUp: CatchUp): void {
  LiveHold.of(io).holdAnnounced(io, expired)
  router.add('GET /changefeed/since', catchUpRoute(catchUp))
}

function catchUpRoute(catchUp: CatchUp): RealtimeHandler {
  return async (req, res) => {
    if (!req.isSocket) throw badRequest(SOCKETS_ONLY)
    const { cursor, inclusive } = req.query
    if (cursor !== undefined && typeof cursor !== 'string') throw badRequest('Pass the cursor of a message unchanged.')
    const request = { cursor, inclusive: isSet(inclusive) }
    res.ok(await catchUp(req.socket, request).catch(refuse))
  }
}

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
  socket.emit('changefeed', { verb: 'gap', reason: 'declared' })
}
