import { ROW_BYTES_MAX } from '../change-log/limits.ts'
import { quoteName } from '../db/quote.ts'
import { jsonObject, knownText, loggedColumns, type RowText } from './row-text.ts'
import { sizesOf, writesSurely } from './sure-text.ts'

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

/** What is read of the rows with one alias, `before_row` or `after_row`. */
interface RowParts {
  readonly text: string
  /** True for a row that is not too large to be written as text; null if none is. */
  readonly fits: string | null
}

interface RowsParts {
  readonly before: RowParts
  readonly after: RowParts
  /** The quoted name of the primary key. */
  readonly key: string
  readonly skipSame: boolean
}

const ABSENT: RowParts = { text: 'null::pg_catalog.text', fits: null }

function rowsQuery(operation: RowOperation, { before, after, key, skipSame }: RowsParts): string {
  if (operation === 'INSERT') return `${select(`'I'`, ABSENT, textOf(after))} from ${NEW_ROWS} as after_row`
  if (operation === 'DELETE') return `${select(`'D'`, textOf(before), ABSENT)} from ${OLD_ROWS} as before_row`
  const name = `(case when before_row.${key} is null then 'I' when after_row.${key} is null then 'D' else 'U' end)`
  const old = textOf(before, `before_row.${key} is not null`)
  const now = textOf(after, `after_row.${key} is not null`)
  return `${select(name, old, now)} from ${pairs(key)}${skipSame ? ` where ${isOtherThan(key)}` : ''}`
}

/** With a text that is null for a row that is too large, or if the condition is false. */
function textOf({ text, fits }: RowParts, condition?: string): RowParts {
  const conditions = [condition, fits].filter(Boolean)
  return { text: conditions.length > 0 ? `case when ${conditions.join(' and ')} then ${text} end` : text, fits }
}

function select(name: string, before: RowParts, after: RowParts) {
  const fit = [before, after].flatMap(({ fits }) => fits ?? [])
  const defect = fit.length > 0 ? `case when not (${fit.join(' and ')}) then '54000' end` : ABSENT.text
  return `select ${name}::pg_catalog."char" as operation, ${before.text} as old, ${after.text} as new, ${defect} as defect`
}

/**
 * For a table whose columns are as installed: the row of an UPDATE of one row that keeps its key and is not large. It has
 * no result for other statements.
 */
export function knownPair(row: RowText & { readonly primaryKey: string }, skipSame: boolean): string {
  const columns = loggedColumns(row.shape, row.redacted)
  const sizes = ['before_row', 'after_row'].flatMap(alias => sizesOf(columns, alias))
  const key = quoteName(row.primaryKey)
  const conditions = [
    `not exists (select from ${NEW_ROWS} as later offset 1)`,
    isPair(key),
    ...(sizes.length > 0
      ? [`(greatest(${sizes.join(', ')}) > ${Math.floor(ROW_BYTES_MAX / sizes.length)}) is not true`]
      : []),
    ...(skipSame ? ['before_row operator(pg_catalog.*<>) after_row'] : []),
  ]
  const [old, now] = ['before_row', 'after_row'].map(alias => jsonObject(columns, alias, knownText))
  return `select 'U'::pg_catalog."char" as operation, ${old} as old, ${now} as new, null::pg_catalog.text as defect
    from ${OLD_ROWS} as before_row cross join ${NEW_ROWS} as after_row where ${conditions.join(' and ')}`
}

const isPair = (key: string) => `${pairKey('before_row', key)} operator(pg_catalog.=) ${pairKey('after_row', key)}`

/** A full join is never planned as nested loops, which would be slow for many rows if planned for a few. */
const pairs = (key: string) => `${OLD_ROWS} as before_row full join ${NEW_ROWS} as after_row on ${isPair(key)}`

/** Compares bytes: `is distinct from` requires an equality operator, which json lacks. */
const isOtherThan = (key: string) =>
  `before_row.${key} is null or after_row.${key} is null or before_row operator(pg_catalog.*<>) after_row`

/** Of an UPDATE, old and new row may have half of the limit each: their sum would be computed for each text. */
const LIMIT = { INSERT: ROW_BYTES_MAX, UPDATE: ROW_BYTES_MAX / 2, DELETE: ROW_BYTES_MAX }

/** For a table whose columns are as installed. */
export function knownRows(row: RowText & { readonly primaryKey: string }, operation: RowOperation, skipSame: boolean) {
  const columns = loggedColumns(row.shape, row.redacted)
  const parts = (alias: string): RowParts => {
    const sizes = writesSurely(row) ? sizesOf(columns, alias).map(size => `coalesce(${size}, 0)`) : []
    return {
      text: jsonObject(columns, alias, knownText),
      fits: sizes.length > 0 ? `${['0::pg_catalog.int8', ...sizes].join(' + ')} <= ${LIMIT[operation]}` : null,
    }
  }
  const key = quoteName(row.primaryKey)
  return rowsQuery(operation, { before: parts('before_row'), after: parts('after_row'), key, skipSame })
}

/** For any columns: a template of `format` with the texts of the old and the new row and the quoted key. */
export function rowsTemplate(operation: RowOperation, skipSame: boolean): string {
  const parts = (text: string): RowParts => ({ text, fits: null })
  return rowsQuery(operation, { before: parts('%1$s'), after: parts('%2$s'), key: '%3$s', skipSame })
}
