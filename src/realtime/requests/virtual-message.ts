import { stringify as stringifyQuery } from 'qs'
import type { Limits } from './limits.ts'
import { badRequest, Refusal, tooLarge } from './refusal.ts'
import { checkData, isDictionary, parsedQuery, textLength } from './request-data.ts'

/** Request methods that sails.io.js sends, each as an event of its own. */
export const METHODS = ['get', 'post', 'put', 'delete', 'patch', 'options', 'head'] as const
export type Method = (typeof METHODS)[number]

/** A request that came as a socket message, checked. */
export interface VirtualMessage {
  readonly method: Uppercase<Method>
  /** Path and query; of a GET with data, the data is in the query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly query: Record<string, unknown>
  readonly body: unknown
  /** How many values the data has. */
  readonly values: number
}

export interface MessageRules {
  readonly limits: Limits
  /** Names of header fields that a message may set. */
  readonly clientHeaders: ReadonlySet<string>
}

/**
 * Reads what a client sent for one of the {@link METHODS}. Throws a `Refusal` for anything that is no request: clients send
 * what they like.
 */
export function parseMessage(
  method: Method,
  message: unknown,
  { limits, clientHeaders }: MessageRules,
): VirtualMessage {
  if (!isDictionary(message)) throw badRequest('A request is an object such as {"url": "/user", "data": {}}.')
  const { pathname, search } = parseUrl(message.url)
  const data = message.data ?? message.params ?? {}
  const values = checkData(data, limits) + checkData(message.headers, limits)
  const hasBody = method !== 'get' && method !== 'head'
  const query = { ...parsedQuery(search, limits), ...(hasBody || !isDictionary(data) ? {} : data) }
  return {
    method: method.toUpperCase() as Uppercase<Method>,
    url: pathname + (hasBody ? search : searchOf(query, limits)),
    headers: parseHeaders(message.headers, clientHeaders),
    query,
    body: data,
    values,
  }
}

function searchOf(query: object, { queryLength }: Limits): string {
  if (textLength(query) > queryLength) {
    throw tooLarge('queryLength', `The data of a GET may have ${queryLength} characters.`)
  }
  const text = stringifyQuery(query)
  return text === '' ? '' : `?${text}`
}

function parseUrl(url: unknown): { pathname: string; search: string } {
  if (typeof url !== 'string' || url === '') throw badRequest('No url provided in request.')
  if (url.length > 8192) throw new Refusal(414, 'E_TOO_LARGE', 'A url may have 8192 characters.')
  const path = url.replace(/^[a-z]+:\/\/[^/?#]*/i, '')
  if (path.startsWith('//')) throw badRequest('A url is a path such as "/user".')
  try {
    const { pathname, search } = new URL(path.startsWith('/') ? path : `/${path}`, 'http://socket.invalid')
    decodeURIComponent(pathname)
    return { pathname, search }
  } catch {
    throw badRequest('The url cannot be understood.')
  }
}

/** The fields that a message may set, as HTTP allows them; what is anything else is left out. Names in lower case. */
function parseHeaders(headers: unknown, allowed: ReadonlySet<string>): Record<string, string> {
  if (!isDictionary(headers)) return {}
  const fields = Object.entries(headers).map(([name, value]): [string, unknown] => [
    name.toLowerCase(),
    typeof value === 'number' ? String(value) : value,
  ])
  return Object.fromEntries(
    fields.filter((field): field is [string, string] => allowed.has(field[0]) && isFieldValue(field[1])),
  )
}

const isFieldValue = (value: unknown) => typeof value === 'string' && /^[\t\x20-\x7e]{0,8192}$/.test(value)
