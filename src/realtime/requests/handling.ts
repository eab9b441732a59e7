import type { IncomingMessage, ServerResponse } from 'node:http'
import { parseCookie } from 'cookie'
import type { Logger } from '../../logger.ts'
import { parseSocket } from '../pubsub/sockets.ts'
import type { Limits } from './limits.ts'
import type { NodeHandler, RealtimeRequest } from './request.ts'
import { parsedQuery } from './request-data.ts'
import { answerError, withResponses } from './responses.ts'
import type { Router } from './router.ts'

/** What is already known of a request; the rest is read from it. */
export interface Known {
  readonly query?: Record<string, unknown>
  /** Gives the body; called only where a route answers. */
  readonly body: () => unknown
  /** Throws a `Refusal` where no route may answer. Nothing else runs before it. */
  readonly requireAllowed?: () => void
}

/** Answers a request by a route; false where none fits. */
export type Handle = (req: IncomingMessage, res: ServerResponse, known: Known) => Promise<boolean>

export interface HandlingOptions {
  readonly middleware: readonly NodeHandler[]
  readonly limits: Limits
  readonly logger: Logger
}

/** Routes as one function, for requests over HTTP and over sockets. A route that throws is answered with a status. */
export function routeHandling(router: Router, { middleware, limits, logger }: HandlingOptions): Handle {
  return async (req, res, known) => {
    const { pathname, search } = parseTarget(req.url)
    const found = router.find(req.method ?? 'GET', pathname)
    if (!found) return false
    const response = withResponses(res, logger)
    try {
      known.requireAllowed?.()
      if (!req.headers.nosession) await runThrough(middleware, req, res)
      if (res.writableEnded) return true
      const query = known.query ?? parsedQuery(search, limits)
      const { params } = found
      const request = asRequest(req, { path: pathname, params, query, body: await known.body() })
      await found.handler(request, response)
    } catch (error) {
      answerError(response, error)
    }
    return true
  }
}

/** A request line may hold anything; what is no url fits no route. */
function parseTarget(url = '/'): { pathname: string; search: string } {
  const base = 'http://route.invalid'
  return URL.canParse(url, base) ? new URL(url, base) : { pathname: '', search: '' }
}

/** Express-style middleware, one after the other. Ends early where one of them answers. */
export async function runThrough(handlers: readonly NodeHandler[], req: object, res: ServerResponse): Promise<void> {
  for (const handler of handlers) {
    if (res.writableEnded) return
    await new Promise<void>((resolve, reject) => {
      res.once('finish', resolve)
      const next = (error?: unknown) => (error ? reject(error) : resolve())
      Promise.resolve(handler(req, res, next)).catch(reject)
    })
  }
}

type Parts = Pick<RealtimeRequest, 'path' | 'params' | 'query' | 'body'>

function asRequest(req: IncomingMessage, parts: Parts): RealtimeRequest {
  const request = req as unknown as RealtimeRequest
  const { params, query, body } = parts
  const fromBody = body !== null && typeof body === 'object' && !Array.isArray(body) ? body : {}
  const all = { ...query, ...fromBody, ...params }
  const socket = parseSocket(request)
  return withOwn(request, {
    ...parts,
    isSocket: socket !== undefined,
    originalUrl: req.url ?? '/',
    cookies: parseCookie(req.headers.cookie ?? ''),
    ip: req.socket.remoteAddress,
    param: (name: string, fallback?: unknown) =>
      [params, fromBody, query].find(each => Object.hasOwn(each, name) && each[name] !== undefined)?.[name] ?? fallback,
    allParams: () => ({ ...all }),
    get: (name: string) => [req.headers[name.toLowerCase()]].flat()[0],
    toJSON: () => (socket ? { id: socket.id } : {}),
  })
}

/** Also where Express has given the request getters of these names. */
function withOwn<Target extends object>(target: Target, values: Record<string, unknown>): Target {
  const own = Object.entries(values).map(([name, value]) => [
    name,
    { value, writable: true, configurable: true, enumerable: true },
  ])
  return Object.defineProperties(target, Object.fromEntries(own))
}
