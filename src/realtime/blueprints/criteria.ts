import type { Limits } from '../requests/limits.ts'
import { badRequest, Refusal, tooLarge } from '../requests/refusal.ts'
import type { RealtimeRequest } from '../requests/request.ts'
import { checkData, isContainer, isDictionary } from '../requests/request-data.ts'
import type { OpenModel } from './access.ts'

/** Waterline criteria of validated parts. */
export interface Criteria {
  where: Record<string, unknown>
  limit: number
  skip: number
  sort: Record<string, 'ASC' | 'DESC'>[]
}

const DEFAULT_LIMIT = 30
const SORT_LENGTH = 10

/** Parameters that are not attributes. */
const RESERVED = new Set(['where', 'limit', 'skip', 'sort', 'populate', 'select', 'omit', '_csrf'])

/**
 * `where`, `limit`, `skip` and `sort` of a request, as in blueprints: `where` as JSON, or every other parameter as an equality
 * condition. Throws a `Refusal` for attributes that may not be searched, unknown operators, and exceeded limits.
 */
export function parseCriteria(req: RealtimeRequest, open: OpenModel, limits: Limits): Criteria {
  const params = req.allParams()
  return {
    where: parseWhere(params, req.params, open, limits),
    limit: parseCount('limit', params.limit, {
      fallback: DEFAULT_LIMIT,
      max: limits.pageSize,
      exceeded: tooManyRecords,
    }),
    skip: parseCount('skip', params.skip, { fallback: 0, max: 2 ** 31 - 1, exceeded: tooFar }),
    // Pages overlap without a stable order.
    sort: parseSort(params.sort, open) ?? [{ [open.model.primaryKey]: 'ASC' }],
  }
}

/**
 * Throws a `Refusal` if a query uses an attribute that is no longer searchable, because `customToJSON` changed or hid it in
 * one of the records that were found.
 */
export function requireStillSearchable(open: OpenModel, criteria: Criteria | { readonly where: object }): void {
  for (const name of namesIn(criteria.where)) requireSearchable(open, 'where', name)
  const orders = 'sort' in criteria ? criteria.sort : []
  for (const name of orders.flatMap(Object.keys)) requireSearchable(open, 'sort', name)
}

const namesIn = (where: object): string[] =>
  Object.entries(where).flatMap(([key, value]) =>
    key === 'and' || key === 'or' ? (value as object[]).flatMap(namesIn) : [key],
  )

function requireSearchable({ searchable }: OpenModel, parameter: 'where' | 'sort', name: string) {
  if (searchable.has(name)) return
  const purpose = { where: 'search', sort: 'sort' }[parameter]
  throw badRequest(`"${parameter}": there is no attribute "${name.slice(0, 100)}" to ${purpose} by.`)
}

/** The names in a list such as `name,age`. Undefined if there is no list. */
export function parseNames(value: unknown, name: string, { listLength }: Limits): string[] | undefined {
  if (value === undefined) return undefined
  const names = typeof value === 'string' ? value.split(',', listLength + 1).map(each => each.trim()) : value
  if (Array.isArray(names) && names.length > listLength)
    throw tooLarge('listLength', `"${name}" may have ${listLength} names.`)
  if (Array.isArray(names) && names.every(each => typeof each === 'string')) return names
  throw badRequest(`"${name}" must be a list of names such as "name,age".`)
}

function parseWhere(params: Record<string, unknown>, ofPath: object, open: OpenModel, limits: Limits) {
  const given = typeof params.where === 'string' ? parseJson('where', params.where) : params.where
  if (given !== undefined && given !== null && given !== '') {
    checkData(given, limits)
    checkSize(given, limits)
    return checkWhere(given, open, limits)
  }
  const isEquation = ([name]: [string, unknown]) => !RESERVED.has(name) && !Object.hasOwn(ofPath, name)
  return checkWhere(Object.fromEntries(Object.entries(params).filter(isEquation)), open, limits)
}

/** Waterline blocks the event loop for seconds on thousands of conditions. */
function checkSize(where: unknown, { conditions, listLength }: Limits) {
  const containers = [where].filter(isContainer)
  let [nested, values] = [0, 0]
  for (const each of containers) {
    for (const part of Object.values(each)) {
      if (Array.isArray(each) && !isContainer(part)) values++
      else nested++
      if (isContainer(part)) containers.push(part)
    }
    if (nested > conditions) throw tooLarge('conditions', `A query may have ${conditions} conditions.`)
    if (values > listLength) throw tooLarge('listLength', `The lists of a query may have ${listLength} values.`)
  }
}

function checkWhere(where: unknown, open: OpenModel, limits: Limits): Record<string, unknown> {
  if (!isDictionary(where)) throw badRequest('"where" must be an object such as {"name": "Ann"}.')
  return Object.fromEntries(
    Object.entries(where).map(([key, value]) => {
      if (key === 'and' || key === 'or') return [key, checkBranches(key, value, open, limits)]
      requireSearchable(open, 'where', key)
      return [key, checkConstraint(value, limits)]
    }),
  )
}

function checkBranches(key: string, value: unknown, open: OpenModel, limits: Limits) {
  if (!Array.isArray(value) || value.length === 0) throw badRequest(`"${key}" must be a list of conditions.`)
  checkLength(value, limits)
  return value.map(each => checkWhere(each, open, limits))
}

const PATTERNS = new Set(['contains', 'startsWith', 'endsWith', 'like'])
const COMPARISONS = new Set(['<', '<=', '>', '>=', '!=', ...PATTERNS])
const LISTS = new Set(['in', 'nin', '!='])

function checkConstraint(value: unknown, limits: Limits): unknown {
  if (isScalar(value)) return checkScalar(value)
  if (Array.isArray(value)) return checkList(value, limits)
  if (!isDictionary(value))
    throw badRequest('A condition must be a value, a list of values, or an operator with a value.')
  return Object.fromEntries(
    Object.entries(value).map(([operator, operand]) => {
      if (LISTS.has(operator) && Array.isArray(operand)) return [operator, checkList(operand, limits)]
      if (PATTERNS.has(operator) && typeof operand === 'string') checkPattern(operand, limits)
      if (COMPARISONS.has(operator) && isScalar(operand)) return [operator, checkScalar(operand)]
      throw badRequest(`The operator "${operator.slice(0, 100)}" is unknown or does not accept this value.`)
    }),
  )
}

function checkPattern(pattern: string, { patternLength }: Limits) {
  if (pattern.length > patternLength) throw tooLarge('patternLength', `A pattern may have ${patternLength} characters.`)
}

function checkList(list: unknown[], limits: Limits): unknown[] {
  checkLength(list, limits)
  if (!list.every(isScalar)) throw badRequest('A list of values may contain strings, numbers, true, false and null.')
  return list.map(checkScalar)
}

function checkLength(list: unknown[], { listLength }: Limits) {
  if (list.length > listLength) throw tooLarge('listLength', `A list in a query may have ${listLength} values.`)
}

const tooManyRecords = (max: number) => tooLarge('pageSize', `"limit" may be at most ${max}.`)
const tooFar = (max: number) => badRequest(`"skip" may be at most ${max}.`)

const isScalar = (value: unknown) => value === null || ['string', 'number', 'boolean'].includes(typeof value)

/** Postgres text cannot contain NUL. */
function checkScalar(value: unknown): unknown {
  if (typeof value === 'string' && value.includes('\0')) throw badRequest('Strings must not contain NUL characters.')
  return value
}

interface Count {
  readonly fallback: number
  readonly max: number
  readonly exceeded: (max: number) => Refusal
}

function parseCount(name: string, value: unknown, { fallback, max, exceeded }: Count): number {
  if (value === undefined) return fallback
  const count = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0)
    throw badRequest(`"${name}" must be a whole number.`)
  if (count > max) throw exceeded(max)
  return count
}

function parseSort(value: unknown, open: OpenModel): Criteria['sort'] | undefined {
  if (value === undefined || value === '') return undefined
  const given = typeof value === 'string' && /^\s*[[{]/.test(value) ? parseJson('sort', value) : value
  const orders: unknown[][] = []
  for (const each of [given].flat()) {
    orders.push(...(isDictionary(each) ? Object.entries(each) : [wordsOf(each)]))
    if (orders.length > SORT_LENGTH) throw new Refusal(413, 'E_TOO_LARGE', `"sort" may name ${SORT_LENGTH} attributes.`)
  }
  return orders.map(([attribute, direction = 'ASC']) => {
    const [name, upper] = [String(attribute), String(direction).toUpperCase()]
    requireSearchable(open, 'sort', name)
    if (upper !== 'ASC' && upper !== 'DESC') throw badRequest('"sort" must have the form "name ASC" or "name DESC".')
    return { [name]: upper }
  })
}

function wordsOf(order: unknown): string[] {
  if (typeof order !== 'string') throw badRequest('"sort" must have the form "name ASC" or "name DESC".')
  return order.trim().split(/\s+/, 3)
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw badRequest(`"${name}" is not valid JSON.`)
  }
}
