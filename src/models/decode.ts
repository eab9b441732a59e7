import type { TypeParsers } from '../db/connect.ts'
import type { ColumnShape, TableShape } from '../db/table-shape.ts'
import { ChangefeedError } from '../errors.ts'
import type { Attribute, Model, ModelRecord } from './model.ts'
import type { RawRow } from './row-json.ts'
import { mayBeOf, wireTypeOid } from './type-text.ts'

export interface DecodeTarget {
  readonly model: Model
  readonly shape: TableShape
  /** {@link adapterTypeParsers}, else our own `pg.types`. */
  readonly parsers: TypeParsers
  /** Columns that never leave the table: whatever the row says of them is dropped. */
  readonly redacted: ReadonlySet<string>
}

export interface DecodedRow {
  readonly record: ModelRecord
  /** Why attributes are missing from the record that should be in it, one message each; it quotes no value. */
  readonly faults: readonly string[]
}

/**
 * The record that `Model.findOne()` returns for this row, key order included. Left out are redacted columns, columns that
 * the row or the table does not have, virtual generated columns, of which a trigger sees nothing, and, as `faults`, values
 * that the parser of their type refuses. Throws `E_DECODE` where that is the primary key or a foreign key.
 *
 * @example
 * const { record } = decodeRow({ model, shape, parsers: pg.types, redacted: new Set() }, parseRow(change.new, model))
 */
export function decodeRow(target: DecodeTarget, row: RawRow): DecodedRow {
  const { model, shape } = target
  const record: ModelRecord = {}
  const faults: string[] = []
  for (const attribute of model.attributes.values()) {
    const text = row.get(attribute.column)
    const column = shape.columns.get(attribute.column)
    if (text === undefined || column === undefined || isWithheld(target, column)) continue
    try {
      record[attribute.name] = decodeValue(target, attribute, column, text)
    } catch {
      const fault = undecodable(model, column) // without the error of the parser, which may quote the value
      if (isKey(attribute, model)) throw new ChangefeedError('E_DECODE', fault)
      faults.push(fault)
    }
  }
  return { record, faults }
}

/**
 * False for a row of a table that has changed since its shape was read: read the shape again, then decode. A row from
 * before a column was dropped, or had its type changed, does not fit either way, and is decoded as far as it goes.
 */
export function fitsShape(shape: TableShape, row: RawRow): boolean {
  if (row.has(LOOKED_UP)) return false
  for (const [name, text] of row) {
    const column = shape.columns.get(name)
    if (column === undefined || !mayBeOf(text, column.type)) return false
  }
  return true
}

/** In a row of which the trigger had to look up the columns, as the table may have been altered: see `row_text` in our schema. */
const LOOKED_UP = ''

const isKey = ({ name, model: parent }: Attribute, { primaryKey }: Model) => name === primaryKey || parent !== undefined

const isWithheld = ({ redacted }: DecodeTarget, { name, generated }: ColumnShape) =>
  redacted.has(name) || generated === 'virtual'

function decodeValue({ parsers }: DecodeTarget, attribute: Attribute, { type }: ColumnShape, text: string | null) {
  if (!mayBeOf(text, type)) throw new TypeError('The text of another type')
  const value = text === null ? null : parsers.getTypeParser(wireTypeOid(type))(text)
  return attribute.autoTimestamp && attribute.type === 'number' ? Number(value) : value
}

const undecodable = ({ identity }: Model, { name, type }: ColumnShape) =>
  `Column "${name}" (${type.name}) of model \`${identity}\` cannot be decoded: its text is not what this type writes. ` +
  'If the type of the column has changed, install again; otherwise leave this column out with the option `omit`.'
