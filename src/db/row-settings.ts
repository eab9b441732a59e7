import type { TableShape, TypeShape } from './table-shape.ts'

/**
 * SQL conditions on the settings of a session that writes to this table. If all hold, the output functions of the
 * column types produce the texts that node-postgres and the app expect. Empty if no column depends on a setting. Forms
 * that parse to the same value (bytea as hex or escape, any time zone of a timestamptz) need no condition.
 */
export function rowSettings(shape: TableShape): readonly string[] {
  return [...new Set([...shape.columns.values()].flatMap(({ type }) => settingsOf(type, false)))]
}

/** `nested`: the value is part of another value's text, which is not parsed. */
function settingsOf(type: TypeShape, nested: boolean): readonly string[] {
  switch (type.kind) {
    case 'domain':
      return settingsOf(type.base, nested)
    case 'array':
      return settingsOf(type.element, nested || type.element.kind !== 'base')
    case 'composite':
      return type.fields.flatMap(field => settingsOf(field.type, true))
    case 'enum':
      return []
    case 'range':
    case 'multirange':
      return RANGES.get(type.name) ?? ALL
    default:
      return [...(BY_TYPE.get(type.name) ?? []), ...(nested ? (NESTED.get(type.name) ?? []) : [])]
  }
}

const setting = (name: string) => `pg_catalog.current_setting('${name}')`
const DATES = `pg_catalog.starts_with(${setting('DateStyle')}, 'ISO')`
const ZONE = `${setting('TimeZone')} = 'UTC'`
const INTERVALS = `${setting('IntervalStyle')} = 'postgres'`
const DIGITS = `${setting('extra_float_digits')} in ('1', '2', '3')`
const BYTES = `${setting('bytea_output')} = 'hex'`
const ALL = [DATES, ZONE, INTERVALS, DIGITS, BYTES]

const FLOATING = ['float4', 'float8', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle', 'cube']

/** The text of a range consists of the texts of its bounds. A custom range type may have bounds of any type. */
const RANGES = new Map<string, readonly string[]>(
  Object.entries({
    int4: [],
    int8: [],
    num: [],
    date: [DATES],
    ts: [DATES],
    tstz: [DATES, ZONE],
  }).flatMap(([bound, settings]) => [
    [`${bound}range`, settings],
    [`${bound}multirange`, settings],
  ]),
)

const BY_TYPE = new Map<string, readonly string[]>([
  ...['date', 'timestamp', 'timestamptz'].map((name): [string, readonly string[]] => [name, [DATES]]),
  ['interval', [INTERVALS]],
  ...FLOATING.map((name): [string, readonly string[]] => [name, [DIGITS]]),
])

const NESTED = new Map<string, readonly string[]>([
  ['timestamptz', [ZONE]],
  ['bytea', [BYTES]],
])
