import type { TypeParsers } from '../db/connect.ts'
import type { ColumnShape, TableShape } from '../db/table-shape.ts'
import { ChangefeedError } from '../errors.ts'
import type { Attribute, Model, ModelRecord } from './model.ts'
import type { RawRow } from './row-json.ts'
import { mayBeOf, wireTypeOid } from './type-text.ts'

export interface DecodeTarget {
  readonly model: Model
  readonly shape: TableShape
  /** {@link adapterTypeParsers}, or our own `pg.types`. */
  readonly parsers: TypeParsers
}

export interface DecodedRow {
  readonly record: ModelRecord
  /** One message for each attribute that could not be decoded. They contain no values. */
  readonly faults: readonly string[]
}

/**
 * The record that `Model.findOne()` returns for this row, in the same key order. Omits attributes that are not captured, columns that the row
 * or the table does not have, and virtual generated columns, which triggers see as null. Values that the parser rejects are
 * omitted and reported in `faults`. Throws `E_DECODE` if such a value is the primary key or a foreign key.
 *
 * @example
 * const { record } = decodeRow({ model, shape, parsers: pg.types }, parseRow(change.new, model))
 */
export function decodeRow(target: DecodeTarget, row: RawRow): DecodedRow {
  const { model, shape } = target
  const record: ModelRecord = {}
  const faults: string[] = []
  for (const attribute of model.attributes.values()) {
    const text = row.get(attribute.column)
    const column = shape.columns.get(attribute.column)
    if (text === undefined || column === undefined || !isLogged(attribute, column)) continue
    try {
      record[attribute.name] = decodeValue(target, attribute, column, text)
    } catch {
      const fault = undecodable(model, column) // without the parser's error, which may quote the value
      if (isKey(attribute, model)) throw new ChangefeedError('E_DECODE', fault)
      faults.push(fault)
    }
  }
  return { record, faults }
}

/**
 * False if the table has changed since its shape was read: read the shape again, then decode. A row from before a column
 * was dropped or changed its type does not fit the new shape either, and is decoded partially.
 */
export function fitsShape(shape: TableShape, row: RawRow): boolean {
  if (row.has(LOOKED_UP)) return false
  for (const [name, text] of row) {
    const column = shape.columns.get(name)
    if (column === undefined || !mayBeOf(text, column.type)) return false
  }
  return true
}

/** Key in rows whose columns the trigger looked up, because the table may have been altered. See `row_text` in our schema. */
const LOOKED_UP = ''

const isKey = ({ name, model: parent }: Attribute, { primaryKey }: Model) => name === primaryKey || parent !== undefined

/** An older row may contain attributes that are not captured any more. */
const isLogged = ({ captured }: Attribute, { generated }: ColumnShape) => captured && generated !== 'virtual'

function decodeValue({ parsers }: DecodeTarget, attribute: Attribute, { type }: ColumnShape, text: string | null) {
  if (!mayBeOf(text, type)) throw new TypeError('The text of another type')
  const value = text === null ? null : parsers.getTypeParser(wireTypeOid(type))(text)
  return attribute.autoTimestamp && attribute.type === 'number' ? Number(value) : value
}

const undecodable = ({ identity }: Model, { name, type }: ColumnShape) =>
  `Column "${name}" (${type.name}) of model \`${identity}\` cannot be decoded: its text is not valid for this type. ` +
  'If the type of the column has changed, install again. Otherwise exclude the column with the option `omit`.'
