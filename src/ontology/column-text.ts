import type { TypeShape } from '../db/table-shape.ts'
import { readArray, readObject } from './row-json.ts'

/**
 * The text that Postgres' own output function gives for a value, rebuilt from what `row_to_json` made of it: what
 * node-postgres receives for a column of this type. Null for SQL NULL. Throws {@link NotRebuildable} where
 * the JSON form is not enough.
 */
export function columnText(json: string, type: TypeShape): string | null {
  if (json === 'null') return null
  switch (type.kind) {
    case 'domain':
      return columnText(json, type.base)
    case 'array':
      return arrayText(json, type.element, type.delimiter)
    case 'composite':
      return recordText(json, type.fields)
    default:
      return TEXTS.get(type.oid)?.(json) ?? plainText(json, type.name)
  }
}

/**
 * False for a value that a column of this type does not have in JSON. Parsers make something of nearly any text (of 1.75,
 * read as an integer, 1), so they do not tell that the type has changed.
 */
export function mayBeOf(json: string, type: TypeShape): boolean {
  if (type.kind === 'domain') return mayBeOf(json, type.base)
  return json === 'null' || (FORMS.get(type.oid)?.test(json) ?? true)
}

const TEXT = /^"/
const NUMBER = /^(-?\d|"(NaN|-?Infinity)"$)/

const FORMS = new Map<number, RegExp>([
  [16, /^[tf]/],
  [20, /^-?\d+$/],
  [21, /^-?\d{1,5}$/],
  [23, /^-?\d{1,10}$/],
  ...[700, 701, 1700].map((oid): [number, RegExp] => [oid, NUMBER]),
  // bytea, text, char, varchar, date, timestamp, timestamptz, uuid
  ...[17, 25, 1042, 1043, 1082, 1114, 1184, 2950].map((oid): [number, RegExp] => [oid, TEXT]),
])

/** The JSON of a value does not say all that its text would. The message speaks of the type, never of the value. */
export class NotRebuildable extends Error {}

/** The oid by which node-postgres looks up a parser: the wire protocol names the base type of a domain. */
export function wireTypeOid(type: TypeShape): number {
  return type.kind === 'domain' ? wireTypeOid(type.base) : type.oid
}

const JSON_OID = 114
const JSONB_OID = 3802

const TEXTS = new Map<number, (json: string) => string>([
  [16, json => (json === 'true' ? 't' : 'f')],
  [17, json => hexBytea(JSON.parse(json))],
  [JSON_OID, json => json],
  [JSONB_OID, json => json],
  [1114, json => (JSON.parse(json) as string).replace('T', ' ')],
  [1184, json => (JSON.parse(json) as string).replace('T', ' ').replace(WHOLE_HOURS, '$1')],
])

/** JSON writes an offset as `+02:00`, the output function as `+02`. */
const WHOLE_HOURS = /([+-]\d\d):00(?= BC$|$)/

/** A string holds the type's own text; a number is that text. */
function plainText(json: string, typeName: string): string {
  if (json.startsWith('"')) return JSON.parse(json)
  if (json.startsWith('{') && typeName === 'hstore') return hstoreText(json)
  if (/^[-\d]/.test(json)) return json
  throw new NotRebuildable('its type has a cast to json of its own, from which the value cannot be rebuilt')
}

/** `bytea_output = escape` writes printable bytes as they are, a backslash doubled, all others as three octal digits. */
function hexBytea(text: string): string {
  if (text.startsWith('\\x')) return text
  const bytes = text.replace(/\\(\\|[0-7]{3})/g, (_, escaped) =>
    escaped === '\\' ? escaped : String.fromCharCode(Number.parseInt(escaped, 8)),
  )
  return `\\x${Buffer.from(bytes, 'latin1').toString('hex')}`
}

function arrayText(json: string, element: TypeShape, delimiter: string): string {
  const elements = readArray(json).map(each =>
    each.startsWith('[') && !isWrittenAsArray(element)
      ? arrayText(each, element, delimiter) // a further dimension
      : quotedElement(columnText(each, element), delimiter),
  )
  return `{${elements.join(delimiter)}}`
}

function isWrittenAsArray(element: TypeShape): boolean {
  if (element.kind === 'domain') return isWrittenAsArray(element.base)
  return element.kind === 'array' || element.oid === JSON_OID || element.oid === JSONB_OID
}

function quotedElement(text: string | null, delimiter: string): string {
  if (text === null) return 'NULL'
  const isPlain = text !== '' && !/^null$/i.test(text) && !/["\\{} \t\n\r\v\f]/.test(text) && !text.includes(delimiter)
  return isPlain ? text : `"${text.replace(/["\\]/g, '\\$&')}"`
}

function recordText(json: string, fields: readonly { readonly name: string; readonly type: TypeShape }[]): string {
  const values = new Map(readObject(json))
  const texts = fields.map(({ name, type }) => quotedField(columnText(values.get(name) ?? 'null', type)))
  return `(${texts.join(',')})`
}

function quotedField(text: string | null): string {
  if (text === null) return ''
  const isPlain = text !== '' && !/["\\(), \t\n\r\v\f]/.test(text)
  return isPlain ? text : `"${text.replace(/["\\]/g, '$&$&')}"`
}

function hstoreText(json: string): string {
  const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`
  const pairs = readObject(json).map(([key, value]) => {
    const text = JSON.parse(value) as string | null
    return `${quoted(key)}=>${text === null ? 'NULL' : quoted(text)}`
  })
  return pairs.join(', ')
}
