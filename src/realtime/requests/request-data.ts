import { parse as parseQuery } from 'qs'
import type { Limits } from './limits.ts'
import { badRequest, Refusal, tooLarge } from './refusal.ts'

/**
 * Returns the number of values. Throws for too many values, for data that is nested too deeply, and for keys that could lead
 * to prototype pollution. Iterative and without copies, so that it is cheap for data of any shape.
 */
export function checkData(data: unknown, { depth, values }: Pick<Limits, 'depth' | 'values'>): number {
  let level = [data].filter(isContainer)
  let count = 0
  for (let at = 0; level.length > 0; at++) {
    if (at >= depth) throw tooLarge('depth', `Objects and lists may be nested ${depth} levels deep.`)
    const next: object[] = []
    for (const each of level) {
      const keys = Array.isArray(each) ? undefined : Object.keys(each)
      count += keys?.length ?? (each as unknown[]).length
      if (count > values) throw tooLarge('values', `A request may have ${values} values.`)
      const odd = keys?.find(key => PROTOTYPE_KEYS.has(key))
      if (odd !== undefined) throw badRequest(`The key "${odd}" is not allowed.`)
      for (const part of Object.values(each)) if (isContainer(part)) next.push(part)
    }
    level = next
  }
  return count
}

export function checkedData(data: unknown, limits: Pick<Limits, 'depth' | 'values'>): unknown {
  checkData(data, limits)
  return data
}

/** Parses a query string or a form to nested data, within limits. */
export function parsedQuery(search: string, limits: Pick<Limits, 'depth' | 'values'>): Record<string, unknown> {
  try {
    const query = parseQuery(search.replace(/^\?/, ''), QUERY_BOUNDS)
    checkData(query, limits)
    return query
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new Refusal(413, 'E_TOO_LARGE', `A query string may have ${PARAMETERS} parameters.`)
  }
}

const PARAMETERS = 1000
const QUERY_BOUNDS = { depth: 10, parameterLimit: PARAMETERS, arrayLimit: PARAMETERS, throwOnLimitExceeded: true }

/** Total length of the strings in checked data, including keys. */
export function textLength(data: unknown): number {
  if (typeof data === 'string') return data.length
  if (!isContainer(data)) return 0
  return Object.entries(data).reduce((length, [key, value]) => length + key.length + textLength(value), 0)
}

export const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

export const isContainer = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)

export const isDictionary = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
