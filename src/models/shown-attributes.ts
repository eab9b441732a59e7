import type { Attribute, Model, ModelRecord } from './model.ts'
import { toPublic } from './public-record.ts'

/**
 * Attributes that clients are shown as they are stored. One that `customToJSON` changes or leaves out is not among them: its
 * value could be guessed by searching for it. `customToJSON` is asked with records made up for this; where it throws for each
 * of them nothing is known, and only the primary key is left.
 */
export function attributesShownAsStored(model: Model, redacted: ReadonlySet<string>): Set<string> {
  const verdicts = PROBES.flatMap(probe => {
    const record = Object.fromEntries([...model.attributes.values()].map(each => [each.name, probe(each)]))
    try {
      return [maskedAttributes(model, record, redacted)]
    } catch {
      return [] // an app's code cannot be asked to work for every value
    }
  })
  if (verdicts.length === 0) return new Set([model.primaryKey])
  return new Set([...model.attributes.keys()].filter(name => !verdicts.some(masked => masked.has(name))))
}

/**
 * Attributes of a record, as `findOne` gives it, that clients are not shown as they are stored. Throws what `customToJSON`
 * throws.
 */
export function maskedAttributes(model: Model, record: ModelRecord, redacted: ReadonlySet<string>): Set<string> {
  const shown = toPublic(model, record, { redacted })
  return new Set(Object.keys(record).filter(name => model.attributes.has(name) && !isSame(record[name], shown[name])))
}

const isSame = (stored: unknown, shown: unknown) =>
  stored === shown || (shown !== undefined && JSON.stringify(stored) === JSON.stringify(shown))

type Probe = (attribute: Attribute) => unknown

/** Values of each type, so that what a function does to some of them only is seen as well. */
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
