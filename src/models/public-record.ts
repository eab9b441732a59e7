import { asError, ChangefeedError } from '../errors.ts'
import type { Attribute, Model, ModelRecord } from './model.ts'

/**
 * What a client may see of a record, ready for JSON: what `JSON.parse(JSON.stringify(record))` gives for a record of
 * `Model.findOne()`, but for Buffers, which stay (socket.io sends them as binary), and for `encrypt` and redacted
 * attributes, which are gone before `customToJSON` runs and, by name, after it. The record itself is left as it is.
 * Throws `E_MODEL` where `customToJSON` does not give an object; passes on what it throws.
 */
export function toPublic(
  model: Model,
  record: ModelRecord,
  { redacted }: { readonly redacted: ReadonlySet<string> },
): ModelRecord {
  const shown = without(record, name => isHidden(model.attributes.get(name), redacted))
  if (!model.customToJSON) return dictionaryToJson(shown)
  const json = toJson(asFound(shown, model.customToJSON), '')
  if (!isDictionary(json)) throw notAnObject(model)
  const hidden = hiddenKeys(model, redacted)
  return without(json, key => hidden.has(key))
}

const isHidden = (attribute: Attribute | undefined, redacted: ReadonlySet<string>): boolean =>
  attribute !== undefined && (attribute.encrypt || redacted.has(attribute.column))

function hiddenKeys(model: Model, redacted: ReadonlySet<string>): Set<string> {
  const attributes = [...model.attributes.values()].filter(attribute => isHidden(attribute, redacted))
  return new Set(attributes.flatMap(({ name, column }) => (model.attributes.has(column) ? [name] : [name, column])))
}

function without(record: ModelRecord, leaveOut: (key: string) => boolean): ModelRecord {
  const rest: ModelRecord = {}
  for (const key of Object.keys(record)) if (!leaveOut(key)) setOwn(rest, key, record[key])
  return rest
}

/** A json column may well hold the key `__proto__`. */
function setOwn(record: ModelRecord, key: string, value: unknown) {
  if (key !== '__proto__') record[key] = value
  else Object.defineProperty(record, key, { value, writable: true, enumerable: true, configurable: true })
}

/** Waterline hangs `customToJSON` on each record as a hidden `toJSON`. On a copy, as the function may change its `this`. */
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

/** As JSON.stringify sees a value: undefined for what it leaves out. */
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
    `\`customToJSON\` of model \`${identity}\` did not give an object. Let it return the record as clients may see it.`,
  )

/** What `customToJSON` threw, with the model and the remedy. */
export const cannotShow = ({ identity }: Model, cause: unknown): ChangefeedError =>
  cause instanceof ChangefeedError
    ? cause
    : new ChangefeedError(
        'E_MODEL',
        `A record of model \`${identity}\` cannot be shown to clients: ${asError(cause).message}. ` +
          'Let its `customToJSON` give an object for every row that the table may hold.',
        { cause },
      )
