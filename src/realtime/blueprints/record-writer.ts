import {
  type Association,
  type Collection,
  type Model,
  type ModelRecord,
  pluralAssociations,
  type RecordId,
} from '../../models/model.ts'
import { isRecordId } from '../../publish/mapping/record-id.ts'
import type { Limits } from '../requests/limits.ts'
import type { RealtimeRequest } from '../requests/request.ts'
import { type LiveModel, runClientQuery } from './live-model.ts'
import { POPULATED_LIMIT } from './record-reader.ts'

export interface WriterOptions {
  readonly live: (identity: string) => LiveModel
  readonly modelOf: (identity: string) => Model | undefined
  /** Whether a request may see a record that it may write. Without the record, only the model's policy is checked. */
  readonly maySee: (req: RealtimeRequest, identity: string, record?: ModelRecord) => Promise<boolean>
  /** Whether a socket receives messages about its own writes. */
  readonly mirror: boolean
  readonly limits: Pick<Limits, 'listLength'>
}

/** A membership that ends because the child moves to another parent. */
interface Moved {
  readonly from: RecordId
  readonly child: RecordId
}

/** Writes for a request and publishes the changes, as blueprints do. */
export class RecordWriter {
  readonly #options: WriterOptions

  constructor(options: WriterOptions) {
    this.#options = options
  }

  async create(req: RealtimeRequest, model: Model, values: ModelRecord): Promise<RecordId> {
    const live = this.#options.live(model.identity)
    const moved = await this.#movedByValues(model, values)
    const created = await runClientQuery(() => live.create(values).fetch())
    const id = created[model.primaryKey] as RecordId
    const record = (await this.#populated(model, id)) ?? created
    await this.#subscribe(req, model, id, created)
    live._publishCreate(record, this.#requester(req))
    for (const { collection, from, child } of moved) {
      live._publishRemove(from, collection.alias, child, this.#requester(req), { noReverse: true })
    }
    return id
  }

  async update(req: RealtimeRequest, model: Model, id: RecordId, values: ModelRecord): Promise<boolean> {
    const live = this.#options.live(model.identity)
    const previous = await this.#populated(model, id)
    const updated = await runClientQuery(() => live.updateOne({ [model.primaryKey]: id }).set(values))
    if (!previous || !updated) return false
    await this.#subscribe(req, model, id, updated)
    const changes = { ...changesOf(model, values, previous, updated), ...collectionsIn(model, values) }
    live._publishUpdate(updated[model.primaryKey] as RecordId, changes, this.#requester(req), { previous })
    return true
  }

  async destroy(req: RealtimeRequest, model: Model, id: RecordId): Promise<boolean> {
    const live = this.#options.live(model.identity)
    // Members receive a message about the destroyed record, so all of them are populated.
    const previous = await this.#populated(model, id, this.#options.limits.listLength)
    const destroyed = await runClientQuery(() => live.destroyOne({ [model.primaryKey]: id }))
    if (!previous || !destroyed) return false
    live._publishDestroy(destroyed[model.primaryKey] as RecordId, this.#requester(req), { previous })
    return true
  }

  async add(req: RealtimeRequest, model: Model, id: RecordId, collection: Collection, child: RecordId): Promise<void> {
    const live = this.#options.live(model.identity)
    if (await this.#hasMember(model, id, collection, child)) return
    const moved = await this.#movedFromOthers(collection, [child], id)
    await runClientQuery(() => live.addToCollection(id, collection.alias, [child]))
    await this.#subscribe(req, model, id)
    live._publishAdd(id, collection.alias, child, this.#requester(req))
    this.#publishRemovals(live, collection, moved, req)
  }

  async remove(
    req: RealtimeRequest,
    model: Model,
    id: RecordId,
    collection: Collection,
    child: RecordId,
  ): Promise<void> {
    const live = this.#options.live(model.identity)
    if (!(await this.#hasMember(model, id, collection, child))) return
    await runClientQuery(() => live.removeFromCollection(id, collection.alias, [child]))
    live._publishRemove(id, collection.alias, child, this.#requester(req))
  }

  async replace(
    req: RealtimeRequest,
    model: Model,
    id: RecordId,
    collection: Collection,
    children: RecordId[],
  ): Promise<void> {
    const live = this.#options.live(model.identity)
    const before = await this.#members(model, id, collection)
    const moved = await this.#movedFromOthers(collection, children, id)
    await runClientQuery(() => live.replaceCollection(id, collection.alias, children))
    const after = await this.#members(model, id, collection)
    await this.#subscribe(req, model, id)
    for (const child of without(after, before)) live._publishAdd(id, collection.alias, child, this.#requester(req))
    this.#publishRemovals(live, collection, moved, req)
    for (const child of without(before, after)) live._publishRemove(id, collection.alias, child, this.#requester(req))
  }

  async #subscribe(req: RealtimeRequest, { identity }: Model, id: RecordId, record?: ModelRecord) {
    const { live, maySee } = this.#options
    if (req.isSocket && (await maySee(req, identity, record))) live(identity).subscribe(req, [id])
  }

  #requester(req: RealtimeRequest) {
    return this.#options.mirror ? undefined : req
  }

  #publishRemovals(live: LiveModel, { alias }: Collection, moved: Moved[], req: RealtimeRequest) {
    for (const { from, child } of moved)
      live._publishRemove(from, alias, child, this.#requester(req), { noReverse: true })
  }

  async #populated(model: Model, id: RecordId, limit = POPULATED_LIMIT): Promise<ModelRecord | undefined> {
    const plain = this.#options.live(model.identity).findOne({ [model.primaryKey]: id })
    const populate = (query: typeof plain, { alias, type }: Association) =>
      query.populate(alias, type === 'collection' ? { limit } : undefined)
    return await runClientQuery(() => model.associations.reduce(populate, plain))
  }

  async #hasMember(model: Model, id: RecordId, collection: Collection, child: RecordId): Promise<boolean> {
    const members = await this.#members(model, id, collection, { where: { [this.#keyOf(collection)]: child } })
    return members.length > 0
  }

  async #members(model: Model, id: RecordId, { alias, collection }: Collection, criteria = {}): Promise<RecordId[]> {
    const query = this.#options
      .live(model.identity)
      .findOne({ [model.primaryKey]: id })
      .populate(alias, criteria)
    const members = (await runClientQuery(() => query))?.[alias]
    const key = this.#options.modelOf(collection)?.primaryKey ?? 'id'
    return Array.isArray(members) ? members.map(member => member[key]).filter(isRecordId) : []
  }

  /** The children that another parent loses, because a child has one parent. */
  async #movedFromOthers(collection: Collection, children: RecordId[], by?: RecordId): Promise<Moved[]> {
    const { oneToMany, parentAttribute } = collection
    if (!oneToMany || children.length === 0) return []
    const key = this.#keyOf(collection)
    const found = await runClientQuery(() =>
      this.#options.live(collection.collection).find({ where: { [key]: children } }),
    )
    return found.flatMap(child => {
      const [from, id] = [child[parentAttribute], child[key]]
      return isRecordId(from) && isRecordId(id) && String(from) !== String(by) ? [{ from, child: id }] : []
    })
  }

  async #movedByValues(model: Model, values: ModelRecord) {
    const given = pluralAssociations(model).filter(({ alias }) => Array.isArray(values[alias]))
    const found = await Promise.all(
      given.map(async collection => {
        const moved = await this.#movedFromOthers(
          collection,
          (values[collection.alias] as unknown[]).filter(isRecordId),
        )
        return moved.map(each => ({ ...each, collection }))
      }),
    )
    return found.flat()
  }

  #keyOf({ collection }: Collection): string {
    return this.#options.modelOf(collection)?.primaryKey ?? 'id'
  }
}

/** The stored values of the attributes that were set, with the id and attributes that Waterline set itself. */
function changesOf(model: Model, values: ModelRecord, previous: ModelRecord, updated: ModelRecord): ModelRecord {
  const isTouched = (name: string) =>
    model.attributes.get(name)?.autoTimestamp === true && String(previous[name]) !== String(updated[name])
  const isSet = (name: string) => name === model.primaryKey || Object.hasOwn(values, name) || isTouched(name)
  return Object.fromEntries(Object.entries(updated).filter(([name]) => model.attributes.has(name) && isSet(name)))
}

const collectionsIn = (model: Model, values: ModelRecord): ModelRecord =>
  Object.fromEntries(
    pluralAssociations(model).flatMap(({ alias }) => (alias in values ? [[alias, values[alias]]] : [])),
  )

const without = (ids: RecordId[], others: RecordId[]) => {
  const there = new Set(others.map(String))
  return ids.filter(id => !there.has(String(id)))
}
