import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../logger.ts'
import { collectionsOf } from '../../models/collection.ts'
import {
  type Association,
  type Collection,
  type Model,
  type ModelRecord,
  type Models,
  targetOf,
} from '../../models/model.ts'
import { presentable } from '../../models/presentation.ts'
import type { ModelOptions } from '../../models/selection.ts'
import { inMessagesOf } from '../../models/visibility.ts'
import type { RecordEvent } from '../../publish/mapping/record-event.ts'
import { deferredEvents, type HasReceivers, type MappedEvent } from '../deferred-events.ts'
import type { Stage, StageContext } from '../stage.ts'

/** The number of members that blueprints populate. */
const LIMIT = 30

export interface PopulationParts {
  /** Waterline's live models. */
  readonly collections: object
  readonly models: Models
  /** Settings of individual models, by identity. */
  readonly options: ReadonlyMap<string, ModelOptions>
  readonly hasReceivers: HasReceivers
  readonly logger: Logger
}

/** Minimum age of a new record before it is assumed to have no members, in milliseconds. */
const WINDOW_MS = 50

/**
 * Populates the record of `created` messages and `previous`, as blueprints do. The record's own values are those of the
 * change. Associated records are read when the event is published: members whose links come later in the feed are
 * announced again. Collections of a new record that have no members are read again after a short delay.
 */
export class Population implements Stage {
  readonly #parts: PopulationParts
  readonly #live: ReadonlyMap<string, Finder>

  constructor(parts: PopulationParts) {
    this.#parts = parts
    this.#live = new Map(collectionsOf(parts.collections).map(live => [live.identity, live as unknown as Finder]))
  }

  async revise(events: MappedEvent[], context: StageContext): Promise<MappedEvent[]> {
    const { model } = context.change
    const revised: MappedEvent[] = []
    for (const event of events) {
      if (event.verb === 'deferred' || !hasRecord(event, model)) revised.push(event)
      else if (this.#mayHaveReceivers(event)) revised.push(await this.#withAssociated(event, context))
      else revised.push(deferredEvents(event, async () => [await this.#withAssociated(event, context)]))
    }
    return revised
  }

  /** The app adds its own rooms after this stage, so a model with `rooms` may have receivers. */
  #mayHaveReceivers(event: RecordEvent): boolean {
    const { options, hasReceivers } = this.#parts
    return options.get(event.identity)?.rooms !== undefined || hasReceivers(event)
  }

  /** An event that cannot be populated is published without associated records. */
  async #withAssociated(event: RecordEvent, context: StageContext): Promise<RecordEvent> {
    const { meta, signal, change } = context
    try {
      const record = await this.#populated(event, context)
      return record ? withRecord(event, record) : event
    } catch (error) {
      signal.throwIfAborted()
      const fields = { model: change.model.identity, cursor: meta.cursor, error: (error as Error).message }
      const message = 'A record could not be populated and is published without associated records'
      this.#parts.logger.warn(message, fields)
      return event
    }
  }

  async #populated({ verb }: RecordEvent, context: StageContext): Promise<ModelRecord | undefined> {
    const { model, old, new: row } = context.change
    const isNew = verb === 'created'
    const raw = row && isNew ? row : old
    if (!raw) return undefined
    let record = await this.#withAll(model, raw, model.associations)
    const empty = isNew ? emptyCollections(model, record) : []
    if (empty.length > 0 && (await waitForAge(context))) record = await this.#withAll(model, record, empty)
    return presentable(this.#parts.models, model.identity, record, inMessagesOf(model))
  }

  async #withAll(model: Model, record: ModelRecord, associations: readonly Association[]): Promise<ModelRecord> {
    // Records of models that the feed does not publish must not leave by way of others.
    const published = associations.filter(each => this.#parts.models.has(targetOf(each)))
    const associated = await Promise.all(published.map(each => this.#associated(model, each, record)))
    return { ...record, ...Object.fromEntries(associated.filter(entry => entry !== undefined)) }
  }

  async #associated(model: Model, association: Association, row: ModelRecord): Promise<[string, unknown] | undefined> {
    const { alias } = association
    if (association.type === 'model') {
      const key = row[alias]
      const parent = this.#live.get(association.model)
      return key === null || !parent ? undefined : [alias, (await parent.findOne(criteria(parent, key))) ?? null]
    }
    const members = await this.#members(association, row[model.primaryKey])
    return members && [alias, members]
  }

  async #members(collection: Collection, id: unknown): Promise<unknown[] | undefined> {
    const { oneToMany, parentAttribute, childAttribute } = collection
    const child = this.#live.get(collection.collection)
    const links = this.#live.get(collection.linkModel)
    if (!child || !links || !childAttribute) return undefined
    const found = await links.find({ where: { [parentAttribute]: id }, limit: LIMIT })
    if (oneToMany) return found
    return await child.find({ where: { [child.primaryKey]: found.map(link => link[childAttribute]) } })
  }
}

/** Those that may get members at once: Waterline inserts the links of a new record in a separate transaction. */
const emptyCollections = (model: Model, record: ModelRecord) =>
  model.associations.filter(({ type, alias }) => {
    const members = record[alias]
    return type === 'collection' && Array.isArray(members) && members.length === 0
  })

/**
 * Waits until the change has the minimum age; false if it already had. Compares two clocks, so it waits at most for the
 * window.
 */
async function waitForAge({ meta, signal }: StageContext): Promise<boolean> {
  const waitMs = Math.min(WINDOW_MS - (Date.now() - meta.at), WINDOW_MS)
  if (waitMs <= 0) return false
  await sleep(waitMs, undefined, { signal })
  return true
}

interface Finder {
  readonly primaryKey: string
  findOne(criteria: object): PromiseLike<ModelRecord | undefined>
  find(criteria: object): PromiseLike<ModelRecord[]>
}

const criteria = ({ primaryKey }: Finder, key: unknown) => ({ where: { [primaryKey]: key } })

const hasRecord = (event: RecordEvent, { identity }: Model) =>
  event.identity === identity &&
  (event.verb === 'created' || ((event.verb === 'updated' || event.verb === 'destroyed') && !!event.previous))

const withRecord = (event: RecordEvent, record: ModelRecord): RecordEvent =>
  event.verb === 'created' ? { ...event, record } : ({ ...event, previous: record } as RecordEvent)
