import { type MatchFunction, match } from 'path-to-regexp'
import { ChangefeedError } from '../../errors.ts'
import type { RealtimeHandler } from './request.ts'

export interface Found {
  readonly handler: RealtimeHandler
  readonly params: Record<string, string>
}

/** Routes by method and path. The first match is used. */
export class Router {
  readonly #routes: {
    method: string
    matches: MatchFunction<Record<string, string | string[]>>
    handler: RealtimeHandler
  }[] = []

  /**
   * `address` is as in Sails: `GET /user/:id`, `post /user`, or `/any/method`. Throws `E_USAGE` for an invalid one.
   */
  add(address: string, handler: RealtimeHandler): void {
    const { method, path } = parseAddress(address)
    try {
      this.#routes.push({ method, matches: match(path), handler })
    } catch (cause) {
      throw new ChangefeedError('E_USAGE', `Route "${address}" has an invalid path.`, { cause })
    }
  }

  /** Undefined if no route matches or the path has invalid escapes. */
  find(method: string, path: string): Found | undefined {
    try {
      return this.#find(method, path)
    } catch (error) {
      if (error instanceof URIError || error instanceof TypeError) return undefined
      throw error
    }
  }

  #find(method: string, path: string): Found | undefined {
    for (const route of this.#routes) {
      if (!answers(route.method, method)) continue
      const found = route.matches(path)
      if (found) return { handler: route.handler, params: paramsOf(found.params) }
    }
    return undefined
  }
}

/** HEAD requests are served by GET routes. */
const answers = (routed: string, method: string) =>
  routed === 'ALL' || routed === method || (method === 'HEAD' && routed === 'GET')

function parseAddress(address: string): { method: string; path: string } {
  const [, method = 'ALL', path] = /^\s*(?:([a-z]+)\s+)?(\/\S*)\s*$/i.exec(address) ?? []
  if (path === undefined) {
    throw new ChangefeedError('E_USAGE', `Route "${address}": pass a method and a path, such as "GET /say/hello".`)
  }
  return { method: method.toUpperCase(), path }
}

const paramsOf = (params: object): Record<string, string> =>
  Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, Array.isArray(value) ? value.join('/') : String(value)]),
  )
