import type { TypeParsers } from '../db/connect.ts'
import type { ColumnShape, TableShape } from '../db/table-shape.ts'
import { ChangefeedError } from '../errors.ts'
import { columnText, mayBeOf, NotRebuildable, wireTypeOid } from './column-text.ts'
import type { Attribute, Model, ModelRecord } from './model.ts'
import type { RawRow } from './row-json.ts'

export interface DecodeTarget {
  readonly model: Model
  readonly shape: TableShape
  /** {@link adapterTypeParsers}, else our own `pg.types`. */
  readonly parsers: TypeParsers
  /** Columns that never leave the table: whatever the row says of them is dropped. */
  readonly redacted: ReadonlySet<string>
}

/**
 * The record that `Model.findOne()` returns for this row, key order included. Left out are redacted columns, columns that
 * the row or the table does not have, and virtual generated columns, of which a trigger sees nothing.
 * Throws `E_DECODE`, naming model and column but never the value.
 *
 * @example
 * decodeRow({ model, shape, parsers: pg.types, redacted: new Set() }, parseRow(change.new, model))
 */
export function decodeRow(target: DecodeTarget, row: RawRow): ModelRecord {
  const { model, shape } = target
  const record: ModelRecord = {}
  for (const attribute of model.attributes.values()) {
    const json = row.get(attribute.column)
    const column = shape.columns.get(attribute.column)
    if (json === undefined || column === undefined || isWithheld(target, column)) continue
    record[attribute.name] = decodeValue(target, attribute, column, json)
  }
  return record
}

/**
 * False for a row of a table that has changed since its shape was read: read the shape again, then decode. A row from
 * before a column was dropped, or had its type changed, does not fit either way, and is decoded as far as it goes.
 */
export function fitsShape(shape: TableShape, row: RawRow): boolean {
  for (const [name, json] of row) {
    const column = shape.columns.get(name)
    if (column === undefined || !mayBeOf(json, column.type)) return false
  }
  return true
}

const isWithheld = ({ redacted }: DecodeTarget, { name, generated }: ColumnShape) =>
  redacted.has(name) || generated === 'virtual'

function decodeValue({ model, parsers }: DecodeTarget, attribute: Attribute, column: ColumnShape, json: string) {
  try {
    const text = columnText(json, column.type)
    const value = text === null ? null : parsers.getTypeParser(wireTypeOid(column.type))(text)
    return attribute.autoTimestamp && attribute.type === 'number' ? Number(value) : value
  } catch (error) {
    throw undecodable(model, column, error)
  }
}

/** No cause: messages of JSON.parse and of parsers quote the value. */
function undecodable({ identity }: Model, { name, type }: ColumnShape, error: unknown): ChangefeedError {
  const reason = error instanceof NotRebuildable ? error.message : 'its text is not what this type writes'
  return new ChangefeedError(
    'E_DECODE',
    `Column "${name}" (${type.name}) of model \`${identity}\` cannot be decoded: ${reason}. ` +
      'If the type of the column has changed, install again; otherwise redact this column.',
  )
}
