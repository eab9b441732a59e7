import {
  type Association,
  type Model,
  type ModelRecord,
  type Models,
  pluralAssociations,
  type RecordId,
  targetOf,
} from '../../models/model.ts'
import { presentable } from '../../models/presentation.ts'
import { inResponse } from '../../models/visibility.ts'
import { isRecordId } from '../../publish/mapping/record-id.ts'
import { memberKey } from '../../publish/socketio/recent-subscriptions.ts'
import { classRoom, recordRoom } from '../../publish/socketio/rooms.ts'
import type { Limits } from '../requests/limits.ts'
import { badRequest } from '../requests/refusal.ts'
import type { RealtimeRequest } from '../requests/request.ts'
import type { OpenModel, OpenModels } from './access.ts'
import { type Criteria, parseNames, requireStillSearchable } from './criteria.ts'
import { type LiveModel, runClientQuery } from './live-model.ts'

/** The default of blueprints. */
export const POPULATED_LIMIT = 30

/** Criteria that follow from the route rather than from the request. */
interface Selection {
  readonly where: object
  readonly limit: number
}

export interface ReaderOptions {
  readonly models: Models
  readonly open: OpenModels
  readonly live: (identity: string) => LiveModel
  readonly limits: Limits
}

/** Reads records for a request: populated, without records and attributes that it may not see. */
export class RecordReader {
  readonly #options: ReaderOptions

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  /** Records as Waterline returns them, with the requested associations that the request may see. */
  async find(req: RealtimeRequest, open: OpenModel, criteria: Criteria | Selection) {
    return await this.#find(req, open, criteria, await this.#populated(req, open))
  }

  async findOne(req: RealtimeRequest, open: OpenModel, id: RecordId, { bare = false } = {}) {
    const criteria = { where: { [open.model.primaryKey]: id }, limit: 1 }
    const [record] = await this.#find(req, open, criteria, bare ? [] : await this.#populated(req, open))
    return record
  }

  /** The members of one association of a record. */
  async members(req: RealtimeRequest, open: OpenModel, id: RecordId, association: Association, criteria: Criteria) {
    const { primaryKey, identity } = open.model
    const child = this.#options.open.get(targetOf(association))
    if (!child) return undefined
    const live = this.#options.live(identity)
    const query = live
      .findOne({ [primaryKey]: id })
      .populate(association.alias, association.type === 'model' ? undefined : structuredClone(criteria))
    const parent = await runClientQuery(() => query)
    const found = [parent?.[association.alias] ?? []].flat() as ModelRecord[]
    learnFrom(found, child, criteria)
    return await this.#permittedAmong(req, child, found)
  }

  /** Presents records as the request may see them, with the attributes that it selects. */
  presentation(req: RealtimeRequest, open: OpenModel): (record: ModelRecord) => ModelRecord {
    const [select, omit] = ['select', 'omit'].map(name => parseNames(req.param(name), name, this.#options.limits))
    const isChosen = (name: string) =>
      name === open.model.primaryKey || (select ? select.includes(name) : !omit?.includes(name))
    return record => {
      const shown = presentable(this.#options.models, open.model.identity, record, inResponse)
      return Object.fromEntries(Object.entries(shown).filter(([name]) => isChosen(name)))
    }
  }

  /** The rooms of records and of their populated records. */
  recordRooms({ model }: OpenModel, records: readonly ModelRecord[]): string[] {
    return records.flatMap(record => [
      recordRoom(model.identity, record[model.primaryKey] as RecordId),
      ...model.associations.flatMap(association => this.#populatedRooms(record[association.alias], association)),
    ])
  }

  /** The keys of the members in populated collections. */
  memberKeys({ model }: OpenModel, records: readonly ModelRecord[]): string[] {
    return records.flatMap(record => {
      const room = recordRoom(model.identity, record[model.primaryKey] as RecordId)
      return pluralAssociations(model).flatMap(({ alias, collection }) => {
        const { primaryKey = '' } = this.#options.models.get(collection) ?? {}
        const members = [record[alias] ?? []].flat() as ModelRecord[]
        return members.map(member => memberKey(room, alias, member[primaryKey]))
      })
    })
  }

  /** The class rooms of the models that the request may watch. */
  async classRooms(req: RealtimeRequest, identities: readonly string[]): Promise<string[]> {
    const allowed = await Promise.all(identities.map(identity => this.#canWatch(req, identity)))
    return identities.filter((_, index) => allowed[index]).map(classRoom)
  }

  async #find(req: RealtimeRequest, open: OpenModel, criteria: Criteria | Selection, populated: Association[]) {
    // A copy, because Waterline modifies criteria.
    const plain = this.#options.live(open.model.identity).find(structuredClone(criteria))
    const query = populated.reduce((each, { alias, type }) => each.populate(alias, subcriteria(type)), plain)
    const found = await runClientQuery(() => query)
    learnFrom(found, open, criteria)
    return await this.#permitted(req, open, found, populated)
  }

  async #canWatch(req: RealtimeRequest, identity: string): Promise<boolean> {
    const open = this.#options.open.get(identity)
    return open?.canWatch === true && (await open.allows(req, 'watch'))
  }

  #populatedRooms(value: unknown, association: Association): string[] {
    const child = this.#options.models.get(targetOf(association))
    const records = [value ?? []].flat().filter((each): each is ModelRecord => typeof each === 'object')
    return child ? records.map(record => recordRoom(child.identity, record[child.primaryKey] as RecordId)) : []
  }

  /** The requested associations that the request may read. */
  async #populated(req: RealtimeRequest, { associations }: OpenModel): Promise<Association[]> {
    const asked = req.param('populate')
    if (asked === 'false' || asked === false) return []
    const names = asked === '' ? undefined : parseNames(asked, 'populate', this.#options.limits)
    const unknown = names?.find(name => !associations.some(({ alias }) => alias === name))
    if (unknown !== undefined) throw badRequest(`"populate": there is no association "${unknown.slice(0, 100)}".`)
    const chosen = associations.filter(({ alias }) => names === undefined || names.includes(alias))
    const allowed = await Promise.all(
      chosen.map(association => this.#options.open.get(targetOf(association))?.allows(req, 'find') ?? false),
    )
    return chosen.filter((_, index) => allowed[index])
  }

  async #permitted(req: RealtimeRequest, open: OpenModel, records: ModelRecord[], populated: Association[]) {
    const permitted = await this.#permittedAmong(req, open, records)
    for (const record of permitted) {
      for (const association of populated) await this.#filterPopulated(req, record, association)
      for (const { type, alias } of open.model.associations) {
        // Waterline returns an empty list for collections that are not populated.
        if (type === 'collection' && !populated.some(each => each.alias === alias)) delete record[alias]
      }
    }
    return permitted
  }

  async #filterPopulated(req: RealtimeRequest, record: ModelRecord, association: Association) {
    const child = this.#options.open.get(targetOf(association))
    const value = record[association.alias]
    if (!child || value === null || typeof value !== 'object') return
    const permitted = await this.#permittedAmong(req, child, [value].flat() as ModelRecord[])
    for (const each of permitted) withoutCollections(each, child.model)
    if (association.type === 'collection') record[association.alias] = permitted
    else record[association.alias] = permitted[0] ?? (value as ModelRecord)[child.model.primaryKey]
  }

  async #permittedAmong(req: RealtimeRequest, open: OpenModel, records: ModelRecord[]): Promise<ModelRecord[]> {
    const allowed = await Promise.all(records.map(record => open.allowsRecord(req, record, 'find')))
    return records.filter((_, index) => allowed[index])
  }
}

/** Runs before a socket is subscribed to the records, because a subscription would reveal as much as the response. */
function learnFrom(found: readonly ModelRecord[], open: OpenModel, criteria: Criteria | Selection) {
  open.searchable.learn(found)
  requireStillSearchable(open, criteria)
}

function subcriteria(type: Association['type']) {
  return type === 'collection' ? { limit: POPULATED_LIMIT } : undefined
}

function withoutCollections(record: ModelRecord, { associations }: Model) {
  for (const { type, alias } of associations) {
    if (type === 'collection') delete record[alias]
  }
}

/** An id in a path that is valid for some model. Waterline checks whether it is valid for this one. */
export function parseId(value: unknown): RecordId {
  if (isRecordId(value) && value !== '' && !String(value).includes('\0') && String(value).length <= 1000) return value
  throw badRequest('The id is invalid.')
}
