import { quoteName } from '../db/quote.ts'
import type { ColumnShape, TypeShape } from '../db/table-shape.ts'
import { loggedColumns, type RowText } from './row-text.ts'

/** Whether each row that is not too large can be written as text in a database with the encoding UTF8. */
export const writesSurely = ({ shape, redacted }: RowText): boolean =>
  loggedColumns(shape, redacted).every(({ type }) => isSure(type))

const isSure = (type: TypeShape): boolean =>
  type.kind === 'enum' || SIZED.has(baseOf(type).oid) || SMALL.has(baseOf(type).oid)

const baseOf = (type: TypeShape): TypeShape => (type.kind === 'domain' ? baseOf(type.base) : type)

/** bytea, text, json, bpchar, varchar: not much larger as text. Not jsonb, whose numbers may be short for many digits. */
const SIZED = new Set([17, 25, 114, 1042, 1043])

/** bool, name, integers, oid, floats, dates, times, interval, numeric, uuid: at most some KB each, numeric 147 KB. */
const SMALL = new Set([16, 19, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950])

/** Expressions for the bytes of the columns that may be large; null for a null. */
export const sizesOf = (columns: readonly ColumnShape[], row: string): string[] =>
  columns
    .filter(({ type }) => SIZED.has(baseOf(type).oid))
    .map(({ name, type }) => sizeOf(`${row}.${quoteName(name)}`, baseOf(type)))

/** octet_length() does not take json. */
const sizeOf = (value: string, { oid }: TypeShape) =>
  `pg_catalog.octet_length(${value}${oid === 114 ? '::pg_catalog.text' : ''})`
