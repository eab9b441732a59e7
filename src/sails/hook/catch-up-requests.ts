import type { IncomingMessage, ServerResponse } from 'node:http'
import { type CatchUp, type CatchUpRouteRequest, catchUpByRequest } from '../../realtime/catch-up-route.ts'
import { Refusal } from '../../realtime/requests/refusal.ts'
import type { SailsLog } from './sails-app.ts'

/** A request as Sails hands it to routes, over HTTP or over a socket. */
export type SailsRequest = IncomingMessage & CatchUpRouteRequest & { readonly body?: unknown }

/** Answers a request of a socket for what it missed. */
export async function answerCatchUp(req: SailsRequest, res: ServerResponse, catchUp: CatchUp, log: SailsLog) {
  try {
    const { isSocket, socket, query, body } = req
    // Sails has the data of a virtual GET in the body.
    const request = { isSocket, socket, query: { ...query, ...(body as object | undefined) } }
    answer(res, 200, await catchUpByRequest(request, catchUp))
  } catch (error) {
    if (error instanceof Refusal) return answer(res, error.status, error.body)
    log.error('changefeed: a socket could not catch up:', error)
    answer(res, 500, 'Internal Server Error')
  }
}

function answer(res: ServerResponse, status: number, body: unknown) {
  res.statusCode = status
  const { json } = res as ServerResponse & { json(body: unknown): void }
  json.call(res, body)
}
