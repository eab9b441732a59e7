import { qualify, quoteName, quoteText } from '../db/quote.ts'
import { rowSettings } from '../db/row-settings.ts'
import type { ColumnShape, TableShape, TypeShape } from '../db/table-shape.ts'

/**
 * How a trigger function serializes a row: as a JSON object of texts, each the result of the type's output function, as
 * node-postgres receives it.
 *
 * The function runs with the privileges of the installing role, and the table's owner may alter the table at any time.
 * So it must not call code that the owner can define:
 *
 * - casts call user code: `x::text`, `x::json`, assignments to a variable of another type, `to_json(x)`,
 *   `row_to_json(row)` and `json_build_object('x', x)` (which call a cast to json), `quote_literal(x)` (a cast to
 * text);
 * - operators and functions of the type do: `x = y`, `x is distinct from y`, `row = row`, `nullif(x, y)`;
 * - assigning to a column of a row does: even null, which a domain checks;
 * - output functions do not: `concat(x)` and `format('%s', x)` call them for enums, domains (that of the base type),
 *   composites, ranges, arrays and the types of extensions alike, down to each part. Only a superuser can create one;
 * - `x is null` and `num_nulls(x)` call nothing. The first is true of a composite whose fields are all null.
 */
export interface RowText {
  readonly schema: string
  readonly tableId: number
  readonly shape: TableShape
  /** Names of omitted columns. */
  readonly redacted: ReadonlySet<string>
}

/**
 * Statements that set `old_row` and `new_row`. If the table's columns are as installed (name, number and type) and the
 * session has plain settings, a fixed expression with a cached plan is used. Otherwise `row_text` looks up the columns
 * for each row, which is ten times as slow but loses no change and reveals no redacted column. Installing again
 * restores the fast path.
 */
export function rowTexts(row: RowText): string {
  return `
      if ${isPlain(row)} then${onRows(name => knownColumns(row, name))}
      else${onRows(name => presentColumns(row, name))}
      end if;`
}

/** A condition: the table's columns are as installed, and the session has plain settings. */
export const isPlain = (row: RowText): string =>
  [`${qualify(row.schema, 'as_installed')}(${installation(row)})`, ...rowSettings(row.shape)].join('\n        and ')

/**
 * As {@link isPlain}, and the database has the encoding UTF8, and if a key is given, it identifies the rows of transition
 * tables. Evaluating it never fails.
 */
export function isSurelyPlain(row: RowText, key: string | null = null): string {
  const number = key === null ? '' : `, ${row.shape.columns.get(key)?.number ?? 0}::pg_catalog.int2`
  const known = `${qualify(row.schema, 'has_sure_texts')}(${installation(row)}${number})`
  return [known, ...rowSettings(row.shape)].join('\n        and ')
}

const installation = ({ shape, tableId }: RowText) => `${relation(shape)}, ${tableId}, ${quoteText(columnList(shape))}`

/** Only the primary key. Also called for a table that is not as installed. */
export const keyTexts = (column: ColumnShape | undefined): string =>
  onRows(row => (column ? jsonObject([column], row, outputText) : 'null'))

type RowName = 'old' | 'new'

const onRows = (expression: (row: RowName) => string) => `
        if tg_op <> 'INSERT' then
          old_row := ${expression('old')};
        end if;
        if tg_op <> 'DELETE' then
          new_row := ${expression('new')};
        end if;`

/** The constant ties the plan to the table, so that column types are looked up again after an ALTER. */
export const knownColumns = ({ shape, redacted }: RowText, row: RowName) =>
  `case when ${relation(shape)} is not null then ${jsonObject(loggedColumns(shape, redacted), row, knownText)} end`

const presentColumns = ({ schema, tableId, shape, redacted }: RowText, row: RowName) =>
  `${qualify(schema, 'row_text')}(${row}, ${relation(shape)}, ${tableId}, ${textArray(namesByNumber(shape))}, ${textArray([...redacted])})`

/** Triggers cannot read virtual generated columns. */
export const loggedColumns = ({ columns }: TableShape, redacted: ReadonlySet<string>) =>
  [...columns.values()].filter(({ name, generated }) => !redacted.has(name) && generated !== 'virtual')

type ValueText = (value: string, type: TypeShape) => string

/** An expression for the names and texts of these columns of a row. */
export function jsonObject(columns: readonly ColumnShape[], row: string, textOf: ValueText): string {
  const values = columns.map(({ name, type }) => textOf(`${row}.${quoteName(name)}`, type))
  return `pg_catalog.json_object(${textArray(columns.map(({ name }) => name))}, array[${values.join(', ')}]::pg_catalog.text[])::pg_catalog.text`
}

/** For a column that is known to have this type. */
export const knownText: ValueText = (value, type) =>
  type.kind === 'base' && CAST_BY_OUTPUT.has(type.oid) ? `${value}::pg_catalog.text` : outputText(value, type)

const outputText: ValueText = (value, type) =>
  `case when ${isComposite(type) ? `pg_catalog.num_nulls(${value}) = 0` : `${value} is not null`} then pg_catalog.concat(${value}) end`

/**
 * Types that Postgres casts to text by their output function, or that are text. Only a superuser can define another cast.
 * They take a third of the steps of `concat`. Not bool, bpchar and others, which have a cast of their own.
 */
const CAST_BY_OUTPUT = new Set([
  ...[17, 20, 21, 23, 25, 26, 114, 700, 701, 1043], // bytea, int8, int2, int4, text, oid, json, float4, float8, varchar
  ...[1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950, 3802], // dates, times and interval, numeric, uuid, jsonb
])

const isComposite = (type: TypeShape): boolean =>
  type.kind === 'domain' ? isComposite(type.base) : type.kind === 'composite'

export const relation = ({ oid }: TableShape) => `'${oid}'::pg_catalog.regclass`

/** In the format of `columns_of` in our schema. */
const columnList = ({ columns }: TableShape) =>
  [...columns.values()].map(({ number, type, name }) => `${number} ${type.oid} ${name}`).join('\n')

/** Null for a dropped column. */
export function namesByNumber({ columns }: TableShape): (string | null)[] {
  const names: (string | null)[] = []
  for (const { number, name } of columns.values()) names[number - 1] = name
  return Array.from(names, name => name ?? null)
}

export const textArray = (texts: readonly (string | null)[]) =>
  `array[${texts.map(text => (text === null ? 'null' : quoteText(text))).join(', ')}]::pg_catalog.text[]`
