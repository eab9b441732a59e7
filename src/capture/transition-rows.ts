import { ROW_BYTES_MAX } from '../change-log/limits.ts'
import { quoteName } from '../db/quote.ts'
import type { TypeShape } from '../db/table-shape.ts'
import { jsonObject, knownText, loggedColumns, type RowText } from './row-text.ts'

/**
 * Queries for the rows of a statement from its transition tables. Their result columns are `operation`, `old`, `new` and
 * `defect`, as in the change log.
 */

/** Names of the transition tables. */
export const OLD_ROWS = 'changefeed_old_rows'
export const NEW_ROWS = 'changefeed_new_rows'

export const ROW_OPERATIONS = ['INSERT', 'UPDATE', 'DELETE'] as const

export type RowOperation = (typeof ROW_OPERATIONS)[number]

/** Keys are compared as text, because the operators of a type may be those of the table's owner. `key` is quoted. */
export const pairKey = (row: string, key: string): string => `pg_catalog.concat(${row}.${key}) collate pg_catalog."C"`

/** Expressions for rows with the aliases `before_row` and `after_row`. */
interface RowsParts {
  readonly oldText: string
  readonly newText: string
  /** The quoted name of the primary key. */
  readonly key: string
  /** True for a row that is too large to be written as text. */
  readonly tooLarge: string | null
  readonly skipSame: boolean
}

function rowsQuery(operation: RowOperation, { oldText, newText, key, tooLarge, skipSame }: RowsParts): string {
  const text = (value: string) => (tooLarge ? `case when ${tooLarge} then null else ${value} end` : value)
  const defect = tooLarge ? `case when ${tooLarge} then '54000' end` : 'null::pg_catalog.text'
  const select = (name: string, old: string, after: string) =>
    `select ${name}::pg_catalog."char" as operation, ${old} as old, ${after} as new, ${defect} as defect`
  if (operation === 'INSERT')
    return `${select(`'I'`, 'null::pg_catalog.text', text(newText))} from ${NEW_ROWS} as after_row`
  if (operation === 'DELETE')
    return `${select(`'D'`, text(oldText), 'null::pg_catalog.text')} from ${OLD_ROWS} as before_row`
  const name = `(case when before_row.${key} is null then 'I' when after_row.${key} is null then 'D' else 'U' end)`
  const old = `case when before_row.${key} is not null then ${text(oldText)} end`
  const after = `case when after_row.${key} is not null then ${text(newText)} end`
  return `${select(name, old, after)} from ${pairs(key)}${skipSame ? ` where ${isOtherThan(key)}` : ''}`
}

/** A full join is never planned as nested loops, which would be slow for many rows if planned for a few. */
const pairs = (key: string) =>
  `${OLD_ROWS} as before_row full join ${NEW_ROWS} as after_row on ${pairKey('before_row', key)} operator(pg_catalog.=) ${pairKey('after_row', key)}`

/** Compares bytes: `is distinct from` requires an equality operator, which json lacks. */
const isOtherThan = (key: string) =>
  `before_row.${key} is null or after_row.${key} is null or before_row operator(pg_catalog.*<>) after_row`

/** For a table whose columns are as installed. */
export function knownRows(row: RowText & { readonly primaryKey: string }, operation: RowOperation, skipSame: boolean) {
  const columns = loggedColumns(row.shape, row.redacted)
  const aliases = [...(operation === 'INSERT' ? [] : ['before_row']), ...(operation === 'DELETE' ? [] : ['after_row'])]
  const sizes = aliases.flatMap(alias =>
    columns
      .filter(({ type }) => SIZED.has(baseOf(type).oid))
      .map(({ name, type }) => sizeOf(`${alias}.${quoteName(name)}`, baseOf(type))),
  )
  return rowsQuery(operation, {
    oldText: jsonObject(columns, 'before_row', knownText),
    newText: jsonObject(columns, 'after_row', knownText),
    key: quoteName(row.primaryKey),
    tooLarge:
      sizes.length > 0 && writesSurely(row) ? `0::pg_catalog.int8 + ${sizes.join(' + ')} > ${ROW_BYTES_MAX}` : null,
    skipSame,
  })
}

/** octet_length() does not take json. */
const sizeOf = (value: string, { oid }: TypeShape) =>
  `coalesce(pg_catalog.octet_length(${value}${oid === 114 ? '::pg_catalog.text' : ''}), 0)`

/** For any columns: a template of `format` with the texts of the old and the new row and the quoted key. */
export const rowsTemplate = (operation: RowOperation, skipSame: boolean): string =>
  rowsQuery(operation, { oldText: '%1$s', newText: '%2$s', key: '%3$s', tooLarge: null, skipSame })

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
