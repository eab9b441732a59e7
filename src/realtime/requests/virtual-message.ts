import { stringify as stringifyQuery } from 'qs'
import type { Limits } from './limits.ts'
import { badRequest, Refusal, tooLarge } from './refusal.ts'
import { checkData, isDictionary, parsedQuery, textLength } from './request-data.ts'

/** Request methods of sails.io.js. Each is the name of an event. */
export const METHODS = ['get', 'post', 'put', 'delete', 'patch', 'options', 'head'] as const
export type Method = (typeof METHODS)[number]

/** A validated request in a socket message. */
export interface VirtualMessage {
  readonly method: Uppercase<Method>
  /** Path and query. The query includes the data of a GET. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly query: Record<string, unknown>
  readonly body: unknown
  /** Number of values in the data. */
  readonly values: number
}

export interface MessageRules {
  readonly limits: Limits
  /** Names of header fields that a message may set. */
  readonly clientHeaders: ReadonlySet<string>
}

/**
 * Parses a client's message for one of the {@link METHODS}. Throws a `Refusal` for an invalid request.
 */
export function parseMessage(
  method: Method,
  message: unknown,
  { limits, clientHeaders }: MessageRules,
): VirtualMessage {
  if (!isDictionary(message)) throw badRequest('A request must be an object such as {"url": "/user", "data": {}}.')
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
  if (url.length > 8192) throw new Refusal(414, 'E_TOO_LARGE', 'A URL may have 8192 characters.')
  const path = url.replace(/^[a-z]+:\/\/[^/?#]*/i, '')
  if (path.startsWith('//')) throw badRequest('A URL must be a path such as "/user".')
  try {
    const { pathname, search } = new URL(path.startsWith('/') ? path : `/${path}`, 'http://socket.invalid')
    decodeURIComponent(pathname)
    return { pathname, search }
  } catch {
    throw badRequest('The URL is invalid.')
  }
}

/** The allowed and valid header fields, with names in lower case. Others are ignored. */
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
