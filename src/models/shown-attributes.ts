import type { Attribute, Model, ModelRecord } from './model.ts'
import { toPublic } from './public-record.ts'

/**
 * Attributes that clients see as stored, and may therefore search by. Attributes that `customToJSON` changes or omits are
 * excluded, because searches would reveal their values. Determined by calling `customToJSON` with sample records. If it
 * throws for all of them, only the primary key is returned.
 */
export function attributesShownAsStored(model: Model): Set<string> {
  const masks = PROBES.flatMap(probe => {
    const record = Object.fromEntries([...model.attributes.values()].map(each => [each.name, probe(each)]))
    try {
      return [maskedAttributes(model, record)]
    } catch {
      return [] // customToJSON need not support every sample value
    }
  })
  if (masks.length === 0) return new Set([model.primaryKey])
  return new Set([...model.attributes.keys()].filter(name => !masks.some(masked => masked.has(name))))
}

/**
 * Attributes of a record, as `findOne` returns it, that clients do not see as stored. Rethrows errors of `customToJSON`.
 */
export function maskedAttributes(model: Model, record: ModelRecord): Set<string> {
  const shown = toPublic(model, record)
  return new Set(Object.keys(record).filter(name => model.attributes.has(name) && !isSame(record[name], shown[name])))
}

const isSame = (stored: unknown, shown: unknown) =>
  stored === shown || (shown !== undefined && JSON.stringify(stored) === JSON.stringify(shown))

type Probe = (attribute: Attribute) => unknown

/** Several values per type, to detect a `customToJSON` that only changes some values. */
const PROBES: readonly Probe[] = [
  () => null,
  ({ type, model }) => VALUES[model === undefined ? type : 'number'][0],
  ({ type, model }) => VALUES[model === undefined ? type : 'number'][1],
]

const VALUES: Readonly<Record<Attribute['type'], readonly [unknown, unknown]>> = {
  string: ['A long text, of words that are to be read one after the other, 0123456789', 'someone@example.com'],
  number: [1_600_000_000_123, -7.5],
  boolean: [true, false],
  json: [{ key: 'value', list: [1] }, ['first', 'second']],
  ref: [new Date('2001-02-03T04:05:06.789Z'), 'reference'],
}
