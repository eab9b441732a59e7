import type { TypeShape } from '../db/table-shape.ts'

/** The oid that selects node-postgres' parser. For a domain, the wire protocol sends the oid of its base type. */
export function wireTypeOid(type: TypeShape): number {
  return type.kind === 'domain' ? wireTypeOid(type.base) : type.oid
}

/**
 * False for a text that the output function of this type cannot produce. Parsers accept nearly any text (1.75 becomes the
 * integer 1), so they do not detect that the type of a column has changed.
 */
export function mayBeOf(text: string | null, type: TypeShape): boolean {
  if (text === null) return true
  if (type.kind === 'domain') return mayBeOf(text, type.base)
  if (type.kind === 'array') return /^[[{]/.test(text)
  return FORMS.get(type.oid)?.test(text) ?? true
}

const NUMBER = /^(-?\d|NaN$|-?Infinity$)/
const DAY = /^(\d{4,}-\d\d-\d\d|-?infinity$)/

const FORMS = new Map<number, RegExp>([
  [16, /^[tf]$/],
  [17, /^(\\x([\da-f]{2})*$|[^\\]|\\[\\0-3]|$)/],
  [20, /^-?\d+$/],
  [21, /^-?\d{1,5}$/],
  [23, /^-?\d{1,10}$/],
  ...[700, 701, 1700].map((oid): [number, RegExp] => [oid, NUMBER]),
  ...[1082, 1114, 1184].map((oid): [number, RegExp] => [oid, DAY]),
  [2950, /^[\da-f]{8}-/],
])
