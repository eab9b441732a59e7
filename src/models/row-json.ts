import { ChangefeedError } from '../errors.ts'
import type { Model } from './model.ts'

/**
 * A logged row by column: the text from the output function of the column's type, as node-postgres receives it, or null for
 * SQL NULL.
 */
export type RawRow = ReadonlyMap<string, string | null>

/** Throws `E_DECODE` for a text that the trigger cannot have written. */
export function parseRow(text: string, model: Model): RawRow {
  const row = parsed(text)
  if (row) return new Map(Object.entries(row))
  throw new ChangefeedError(
    'E_DECODE',
    `A logged row of model \`${model.identity}\` is not a JSON object of strings. ` +
      'Only the triggers of this package may write to the change log.',
  )
}

/** Drops the error of JSON.parse, because its message quotes the text. */
function parsed(text: string): Record<string, string | null> | undefined {
  try {
    const row: unknown = JSON.parse(text)
    return isObjectOfTexts(row) ? row : undefined
  } catch {
    return undefined
  }
}

const isObjectOfTexts = (row: unknown): row is Record<string, string | null> =>
  typeof row === 'object' &&
  row !== null &&
  !Array.isArray(row) &&
  Object.values(row).every(value => value === null || typeof value === 'string')

/** Attributes whose column text differs between the rows. An attribute without a column in both rows is unchanged. */
export function changedAttributes(model: Model, before: RawRow, after: RawRow): Set<string> {
  const attributes = [...model.attributes.values()]
  return new Set(attributes.filter(({ column }) => before.get(column) !== after.get(column)).map(({ name }) => name))
}
