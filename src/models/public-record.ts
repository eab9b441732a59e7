import { asError, ChangefeedError } from '../errors.ts'
import type { Model, ModelRecord } from './model.ts'
import { isVisible, mayLeave } from './visibility.ts'

/**
 * The public form of a record, ready for JSON: the result of `JSON.parse(JSON.stringify(record))` for a record of
 * `Model.findOne()`, with two differences. Buffers are kept, because socket.io sends them as binary. Values that are not those
 * of visible attributes and associations are removed before `customToJSON` runs. What it returns must not contain attributes
 * that are not visible, by name or by column. The record itself is not changed.
 * Throws `E_MODEL` if `customToJSON` does not return an object; rethrows its errors.
 */
export function toPublic(model: Model, record: ModelRecord): ModelRecord {
  const shown = without(record, name => !isVisible(model, name))
  if (!model.customToJSON) return dictionaryToJson(shown)
  const json = toJson(asFound(shown, model.customToJSON), '')
  if (!isDictionary(json)) throw notAnObject(model)
  return without(json, key => !mayLeave(model, key))
}

function without(record: ModelRecord, leaveOut: (key: string) => boolean): ModelRecord {
  const rest: ModelRecord = {}
  for (const key of Object.keys(record)) if (!leaveOut(key)) setOwn(rest, key, record[key])
  return rest
}

/** A json column may contain the key `__proto__`. */
function setOwn(record: ModelRecord, key: string, value: unknown) {
  if (key !== '__proto__') record[key] = value
  else Object.defineProperty(record, key, { value, writable: true, enumerable: true, configurable: true })
}

/** Waterline adds `customToJSON` to each record as a non-enumerable `toJSON`. On a copy, because it may modify `this`. */
function asFound(record: ModelRecord, customToJSON: NonNullable<Model['customToJSON']>): ModelRecord {
  return Object.defineProperty(copied(record), 'toJSON', { value: customToJSON, writable: true })
}

function copied<Value>(value: Value): Value
function copied(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(each => copied(each))
  if (value instanceof Date) return new Date(value)
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  const entries = Object.entries(value).map(([key, each]) => [key, copied(each)])
  return Object.setPrototypeOf(Object.fromEntries(entries), Object.getPrototypeOf(value))
}

/** A value as JSON.stringify would write it. Undefined for values that it omits. */
function toJson(value: unknown, key: string): unknown {
  const shown = hasToJson(value) ? value.toJSON(key) : value
  switch (typeof shown) {
    case 'object':
      return objectToJson(shown)
    case 'number':
      return Number.isFinite(shown) ? shown : null
    case 'bigint':
      throw new TypeError(`\`${key}\` is a BigInt, which JSON does not have`)
    case 'function':
    case 'symbol':
      return undefined
    default:
      return shown
  }
}

function objectToJson(value: object | null): unknown {
  if (value === null || Buffer.isBuffer(value)) return value
  if (Array.isArray(value)) return value.map((each, index) => toJson(each, String(index)) ?? null)
  return dictionaryToJson(value as ModelRecord)
}

function dictionaryToJson(dictionary: ModelRecord): ModelRecord {
  const shown: ModelRecord = {}
  for (const key of Object.keys(dictionary)) {
    const json = toJson(dictionary[key], key)
    if (json !== undefined) setOwn(shown, key, json)
  }
  return shown
}

const hasToJson = (value: unknown): value is { toJSON(key: string): unknown } =>
  typeof value === 'object' &&
  value !== null &&
  !Buffer.isBuffer(value) &&
  typeof (value as { toJSON?: unknown }).toJSON === 'function'

const isDictionary = (value: unknown): value is ModelRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value)

const notAnObject = ({ identity }: Model) =>
  new ChangefeedError(
    'E_MODEL',
    `\`customToJSON\` of model \`${identity}\` did not return an object. It must return the record as clients may see it.`,
  )

/** An error of `customToJSON`, with the model and the remedy. */
export const cannotShow = ({ identity }: Model, cause: unknown): ChangefeedError =>
  cause instanceof ChangefeedError
    ? cause
    : new ChangefeedError(
        'E_MODEL',
        `\`customToJSON\` failed for a record of model \`${identity}\`: ${asError(cause).message}. ` +
          'It must return an object for every row that the table may contain.',
        { cause },
      )
