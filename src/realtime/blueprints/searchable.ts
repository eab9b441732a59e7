import type { Logger } from '../../logger.ts'
import type { Model, ModelRecord } from '../../models/model.ts'
import { attributesShownAsStored, maskedAttributes } from '../../models/shown-attributes.ts'

/**
 * Attributes that may be searched and sorted by: those that clients are shown as they are stored, as others could be guessed.
 * `customToJSON` may mask a value in some records only, so an attribute that comes masked in a real one is taken out.
 */
export class Searchable {
  readonly #model: Model
  readonly #names: Set<string>
  readonly #redacted: ReadonlySet<string>
  readonly #logger: Logger
  /** Whether real records have a say: not where the app itself names the attributes. */
  readonly #learns: boolean

  constructor(model: Model, { named, redacted, logger }: SearchableOptions) {
    const isRedacted = (name: string) => redacted.has(model.attributes.get(name)?.column ?? '')
    this.#model = model
    this.#redacted = redacted
    this.#logger = logger
    this.#learns = named === undefined && model.customToJSON !== undefined
    const names = named?.filter(name => !isRedacted(name)) ?? attributesShownAsStored(model, redacted)
    this.#names = new Set([model.primaryKey, ...names])
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Takes out what is masked in one of the records, as Waterline found them; populated or not. */
  learn(records: readonly ModelRecord[]): void {
    if (!this.#learns) return
    for (const record of records) {
      for (const name of maskedAttributes(this.#model, record, this.#redacted)) {
        if (!this.#isPopulated(record, name)) this.#takeOut(name)
      }
    }
  }

  #takeOut(name: string): void {
    const { primaryKey, identity } = this.#model
    if (name === primaryKey || !this.#names.delete(name)) return
    this.#logger.warn(
      'Clients can no longer search or sort by an attribute that customToJSON hides or changes in some records. To let them guess its values, name it in `searchable`.',
      { model: identity, attribute: name },
    )
  }

  /** A record in place of its key, which each model shows in its own way. */
  #isPopulated(record: ModelRecord, name: string): boolean {
    const value = record[name]
    return value !== null && typeof value === 'object' && this.#model.associations.some(({ alias }) => alias === name)
  }
}

export interface SearchableOptions {
  /** The attributes that the app names. */
  readonly named: readonly string[] | undefined
  readonly redacted: ReadonlySet<string>
  readonly logger: Logger
}
