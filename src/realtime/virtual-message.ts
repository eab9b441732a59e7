import { parse as parseQuery, stringify as stringifyQuery } from 'qs'
import type { Limits } from './limits.ts'
import { badRequest, Refusal, tooLarge } from './refusal.ts'

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
}

/**
 * Reads what a client sent for one of the {@link METHODS}. Throws a `Refusal` for anything that is no request: clients send
 * what they like.
 */
export function parseMessage(method: Method, message: unknown, limits: Pick<Limits, 'depth'>): VirtualMessage {
  if (!isDictionary(message)) throw badRequest('A request is an object such as {"url": "/user", "data": {}}.')
  const { pathname, search } = parseUrl(message.url)
  const data = message.data ?? message.params ?? {}
  checkData(data, limits.depth)
  const hasBody = method !== 'get' && method !== 'head'
  const query = { ...parsedQuery(search), ...(hasBody || !isDictionary(data) ? {} : data) }
  const text = stringifyQuery(query)
  return {
    method: method.toUpperCase() as Uppercase<Method>,
    url: hasBody ? pathname + search : `${pathname}${text === '' ? '' : `?${text}`}`,
    headers: parseHeaders(message.headers),
    query,
    body: data,
  }
}

/** A query string as nested data, within bounds. Keys that reach a prototype are refused. */
export function parsedQuery(search: string): Record<string, unknown> {
  const query = parseQuery(search.replace(/^\?/, ''), { depth: 10, parameterLimit: 1000, arrayLimit: 1000 })
  checkData(query, 20)
  return query
}

/**
 * Throws for data that is nested too deeply, and for keys by which careless code could reach a prototype. No recursion: the
 * depth is what is in question.
 */
export function checkData(data: unknown, depth: number): void {
  let level = [data].filter(isContainer)
  for (let at = 0; level.length > 0; at++) {
    if (at >= depth) throw tooLarge(`Objects and lists may be ${depth} deep.`)
    for (const each of level) {
      const odd = Array.isArray(each) ? undefined : Object.keys(each).find(key => PROTOTYPE_KEYS.has(key))
      if (odd !== undefined) throw badRequest(`The key "${odd}" is not allowed.`)
    }
    level = level.flatMap(each => Object.values(each).filter(isContainer))
  }
}

const PROTOTYPE_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

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

/** Header fields as HTTP allows them; what is anything else is left out. Names in lower case. */
function parseHeaders(headers: unknown): Record<string, string> {
  if (!isDictionary(headers)) return {}
  const fields = Object.entries(headers)
    .slice(0, 100)
    .map(([name, value]): [string, unknown] => [name.toLowerCase(), typeof value === 'number' ? String(value) : value])
  return Object.fromEntries(fields.filter((field): field is [string, string] => isField(field)))
}

const isField = ([name, value]: [string, unknown]) =>
  /^[-a-z0-9_]{1,100}$/.test(name) &&
  typeof value === 'string' &&
  /^[\t\x20-\x7e]{0,8192}$/.test(value) &&
  !PROTOTYPE_KEYS.has(name) &&
  !OF_THE_CONNECTION.has(name) &&
  !name.startsWith('x-forwarded-')

/** Told by the handshake alone: a client could lie here behind a proxy that keeps it from doing so there. */
const OF_THE_CONNECTION = new Set([
  ...['connection', 'content-length', 'expect', 'forwarded', 'host', 'keep-alive', 'origin', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'via', 'x-real-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip'],
  ...['remote-user', 'x-remote-user'],
])

export const isContainer = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)

export const isDictionary = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
