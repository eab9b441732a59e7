import type { Logger } from '../../logger.ts'
import type { Model, ModelRecord } from '../../models/model.ts'
import { attributesShownAsStored, maskedAttributes } from '../../models/shown-attributes.ts'
import { isVisible } from '../../models/visibility.ts'

/**
 * Attributes that may be searched and sorted by: those that clients see as stored, because searches could reveal others.
 * `customToJSON` may mask values in some records only, so an attribute is removed when a real record has it masked.
 */
export class Searchable {
  readonly #model: Model
  readonly #names: Set<string>
  readonly #logger: Logger
  /** Whether real records can remove attributes. False if the app lists the attributes itself. */
  readonly #learns: boolean

  constructor(model: Model, { named, logger }: SearchableOptions) {
    this.#model = model
    this.#logger = logger
    this.#learns = named === undefined && model.customToJSON !== undefined
    const names = named?.filter(name => isVisible(model, name)) ?? attributesShownAsStored(model)
    this.#names = new Set([model.primaryKey, ...names])
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Removes attributes that are masked in one of the records, as Waterline returned them. */
  learn(records: readonly ModelRecord[]): void {
    if (!this.#learns) return
    for (const record of records) {
      for (const name of maskedAttributes(this.#model, record)) {
        if (!this.#isPopulated(record, name)) this.#remove(name)
      }
    }
  }

  #remove(name: string): void {
    const { primaryKey, identity } = this.#model
    if (name === primaryKey || !this.#names.delete(name)) return
    this.#logger.warn(
      'Clients can no longer search or sort by an attribute, because customToJSON hides or changes it in some records. To allow it, although searches can reveal its values, list it in `searchable`.',
      { model: identity, attribute: name },
    )
  }

  /** Whether the value is a populated record or list, which has its own `customToJSON`. */
  #isPopulated(record: ModelRecord, name: string): boolean {
    const value = record[name]
    return value !== null && typeof value === 'object' && this.#model.associations.some(({ alias }) => alias === name)
  }
}

export interface SearchableOptions {
  /** The attributes that the app lists. */
  readonly named: readonly string[] | undefined
  readonly logger: Logger
}
