import { ChangefeedError } from '../../errors.ts'
import type { Model, ModelRecord, RecordId } from '../../models/model.ts'

/**
 * An id as clients expect it in a message, cast to the declared type of the model's primary key. An id beyond the exact
 * range of a double stays text: `parseInt`, as Sails uses it, would give the id of another record.
 */
export function castId(model: Model | undefined, id: RecordId): RecordId {
  const type = model?.attributes.get(model.primaryKey)?.type
  if (type === 'string') return String(id)
  if (type !== 'number' || typeof id === 'number' || id.trim() === '') return id
  const number = Number(id)
  return Number.isSafeInteger(number) || !/^[-+]?\d+$/.test(id) ? (Number.isNaN(number) ? id : number) : id
}

/** The primary key value of a row. Throws `E_DECODE` if it is neither text nor a number. */
export function idOf(model: Model, row: ModelRecord): RecordId {
  const id = row[model.primaryKey]
  if (isRecordId(id)) return id
  throw new ChangefeedError(
    'E_DECODE',
    `A row of ${model.identity} has no usable primary key: ${model.primaryKey} must be text or a number.`,
  )
}

export function isRecordId(value: unknown): value is RecordId {
  return typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))
}
