import type { IncomingMessage, ServerResponse } from 'node:http'
import { parseCookie } from 'cookie'
import type { Logger } from '../../logger.ts'
import { parseSocket } from '../pubsub/sockets.ts'
import type { Limits } from './limits.ts'
import type { NodeHandler, RealtimeRequest } from './request.ts'
import { parsedQuery } from './request-data.ts'
import { answerError, withResponses } from './responses.ts'
import type { Router } from './router.ts'

/** Parts of a request that the transport provides. The rest is read from the request. */
export interface Known {
  readonly query?: Record<string, unknown>
  /** Reads the body. Only called if a route matches. */
  readonly body: () => unknown
  /** Throws a `Refusal` for a request that no route may handle. Called first. */
  readonly requireAllowed?: () => void
}

/** Handles a request with a route. False if none matches. */
export type Handle = (req: IncomingMessage, res: ServerResponse, known: Known) => Promise<boolean>

export interface HandlingOptions {
  readonly middleware: readonly NodeHandler[]
  readonly limits: Limits
  readonly logger: Logger
}

/** Routes as one function, for HTTP and socket requests. If a route throws, the response is an error status. */
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

/** A request line may contain anything. An invalid URL matches no route. */
function parseTarget(url = '/'): { pathname: string; search: string } {
  const base = 'http://route.invalid'
  return URL.canParse(url, base) ? new URL(url, base) : { pathname: '', search: '' }
}

/** Runs Express-style middleware in order. Stops when one of them responds. */
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

/** Defines own properties, because Express defines getters with these names on the prototype. */
function withOwn<Target extends object>(target: Target, values: Record<string, unknown>): Target {
  const own = Object.entries(values).map(([name, value]) => [
    name,
    { value, writable: true, configurable: true, enumerable: true },
  ])
  return Object.defineProperties(target, Object.fromEntries(own))
}
