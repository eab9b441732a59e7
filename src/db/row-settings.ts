import type { TableShape, TypeShape } from './table-shape.ts'

/**
 * The settings that a session must have while `row_to_json` writes a row of this table, so that the text can be decoded
 * whatever the writing session has set. Empty for most tables. Only what decoding cannot undo is here: dates and
 * timestamps are ISO in JSON under any DateStyle and carry their offset, and both forms of bytea can be read.
 */
export function rowSettings(shape: TableShape): Readonly<Record<string, string>> {
  const settings = [...shape.columns.values()].map(({ type }) => settingsOf(type, false))
  return Object.assign({}, ...settings)
}

/** `asText`: the value reaches the app as one text with others, in which a timestamptz stands in the session's zone. */
function settingsOf(type: TypeShape, asText: boolean): Record<string, string> {
  switch (type.kind) {
    case 'domain':
      return settingsOf(type.base, asText)
    case 'array':
      return settingsOf(type.element, asText || type.element.kind === 'domain')
    case 'composite':
      return Object.assign({}, ...type.fields.map(field => settingsOf(field.type, true)))
    case 'enum':
      return {}
    case 'range':
    case 'multirange':
      return RANGES.get(type.name) ?? { ...DATES, ...ZONE, ...INTERVALS, ...DIGITS }
    default:
      return { ...BY_TYPE.get(type.name), ...(asText && type.name === 'timestamptz' && ZONE) }
  }
}

const DATES = { DateStyle: 'ISO, MDY' }
const ZONE = { TimeZone: 'UTC' }
const INTERVALS = { IntervalStyle: 'postgres' }
const DIGITS = { extra_float_digits: '1' }

const FLOATING = ['float4', 'float8', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle', 'cube']

/** A range is written as the texts of its bounds; a range type of the app's own may have any. */
const RANGES = new Map<string, Record<string, string>>(
  Object.entries({
    int4: {},
    int8: {},
    num: {},
    date: DATES,
    ts: DATES,
    tstz: { ...DATES, ...ZONE },
  }).flatMap(([bound, settings]) => [
    [`${bound}range`, settings],
    [`${bound}multirange`, settings],
  ]),
)

const BY_TYPE = new Map<string, Record<string, string>>([
  ['interval', INTERVALS],
  ...FLOATING.map((name): [string, Record<string, string>] => [name, DIGITS]),
])
