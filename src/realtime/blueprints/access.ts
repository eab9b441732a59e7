import { ChangefeedError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import {
  type Association,
  type Attribute,
  type Model,
  type ModelRecord,
  type Models,
  pluralAssociations,
} from '../../models/model.ts'
import { noModel } from '../../models/selection.ts'
import { attributesShownAsStored } from '../../models/shown-attributes.ts'
import { isVisible, resolveVisibility, withAttributes } from '../../models/visibility.ts'
import { forbidden } from '../requests/refusal.ts'
import type { RealtimeRequest } from '../requests/request.ts'
import { Searchable } from './searchable.ts'

export const WRITE_ACTIONS = ['create', 'update', 'destroy', 'add', 'remove', 'replace'] as const
export type WriteAction = (typeof WRITE_ACTIONS)[number]
/** The action of a request: read records, watch for new ones, or write. */
export type Action = 'find' | 'watch' | WriteAction

type Decision = boolean | Promise<boolean>

/** Access of clients to one model. Listing a model opens it for reading only. */
export interface ModelAccess {
  /** Whether the request may perform the action on the model. @default yes */
  policy?(req: RealtimeRequest, action: Action): Decision
  /**
   * Whether the request may see the record or perform the action on it. Called twice for an update, with the record before
   * and after it. Records that the request may not see are omitted from responses, and the socket is not subscribed to them.
   * The policy runs after the query, so conditions and `limit` let a client infer values of hidden records: `omit` sensitive
   * attributes. @default yes
   */
  recordPolicy?(req: RealtimeRequest, record: ModelRecord, action: Action): Decision
  /**
   * Whether a socket that lists the model receives `created` of every new record, including records that a `recordPolicy`
   * hides from it. @default yes, without a `recordPolicy`
   */
  watch?: boolean
  /** Writing REST routes: all, or the listed ones. @default none */
  write?: boolean | readonly WriteAction[]
  /**
   * Attributes that clients may set. A request that sets another attribute is rejected if `omit`, `encrypt` or `customToJSON`
   * hides or changes it. Otherwise the value is ignored.
   * @default all that clients see as stored, and collections, except the primary key
   */
  writable?: readonly string[]
  /**
   * Attributes that clients may search and sort by. Searches can reveal values that `customToJSON` hides or changes.
   * @default all that clients see as stored
   */
  searchable?: readonly string[]
  /**
   * Attributes that clients must not see, search or sort by, besides those of `encrypt` and `protect`, and those that the feed
   * omits. @default none
   */
  omit?: readonly string[]
  /** Attributes that clients may see although they are marked `protect: true`. @default none */
  include?: readonly string[]
}

/** One model that clients may use, with all defaults applied. */
export interface OpenModel {
  readonly model: Model
  readonly canWatch: boolean
  readonly writes: ReadonlySet<WriteAction>
  readonly writable: ReadonlySet<string>
  /** Attributes that clients do not see as stored and may not set. */
  readonly protected: ReadonlySet<string>
  readonly searchable: Searchable
  /** Associations that may be read and populated: those whose foreign key is not omitted. */
  readonly associations: readonly Association[]
  allows(req: RealtimeRequest, action: Action): Promise<boolean>
  allowsRecord(req: RealtimeRequest, record: ModelRecord, action: Action): Promise<boolean>
}

export type OpenModels = ReadonlyMap<string, OpenModel>

/** Whether the feed keeps an attribute from clients. */
export type FeedOmits = (identity: string, attribute: string) => boolean

type Access = Readonly<Record<string, true | ModelAccess>>

/** The models with what the access and the feed show to clients. Throws `E_OPTIONS` for an unknown model or attribute. */
export function resolveAccess(models: Models, access: Access, feedOmits: FeedOmits = () => false): Models {
  for (const name of Object.keys(access)) {
    if (!models.has(name)) throw new ChangefeedError('E_OPTIONS', `Option \`models\` names ${noModel(name, models)}`)
  }
  return new Map(
    [...models.values()].map(model => {
      const { [model.identity]: given } = access
      const resolved = resolveVisibility(model, given === true ? {} : (given ?? {}))
      const fieldsOf = ({ name, visible }: Attribute) => {
        const captured = !feedOmits(model.identity, name)
        return { captured, visible: visible && captured }
      }
      return [model.identity, { ...withAttributes(resolved, fieldsOf), readers: readersOf(given) }]
    }),
  )
}

function readersOf(access: true | ModelAccess | undefined): Model['readers'] {
  if (access === undefined) return 'none'
  return access === true || (access.policy === undefined && access.recordPolicy === undefined) ? 'all' : 'some'
}

/** The models in `access`, which are results of {@link resolveAccess}. Throws `E_OPTIONS` for an unknown attribute. */
export function openModels(models: Models, access: Access, logger: Logger): OpenModels {
  return new Map(
    Object.entries(access).flatMap(([identity, given]) => {
      const model = models.get(identity)
      return model ? [[identity, openModel(model, given === true ? {} : given, logger)]] : []
    }),
  )
}

function openModel(model: Model, access: ModelAccess, logger: Logger): OpenModel {
  const { policy, recordPolicy, watch = recordPolicy === undefined, write = false } = access
  for (const name of access.writable ?? []) requireWritable(model, name)
  for (const name of access.searchable ?? []) attributeOf(model, name, 'searchable')
  const shown = attributesShownAsStored(model)
  const writable = new Set(access.writable ?? settable(model, shown))
  return {
    model,
    canWatch: watch,
    writes: new Set(write === true ? WRITE_ACTIONS : write === false ? [] : write),
    writable,
    protected: protectedAttributes(model, shown, writable),
    searchable: new Searchable(model, { named: access.searchable, logger }),
    associations: model.associations.filter(({ alias }) => isVisible(model, alias)),
    allows: async (req, action) => (policy ? (await policy.call(access, req, action)) === true : true),
    allowsRecord: async (req, record, action) =>
      recordPolicy ? (await recordPolicy.call(access, req, record, action)) === true : true,
  }
}

/** Throws a `Refusal` unless the request may perform the action on the model. */
export async function requireAllowed(open: OpenModel, req: RealtimeRequest, action: Action): Promise<void> {
  if (!(await open.allows(req, action))) throw forbidden()
}

export async function requireRecordAllowed(open: OpenModel, req: RealtimeRequest, record: ModelRecord, action: Action) {
  if (!(await open.allowsRecord(req, record, action))) throw forbidden()
}

function settable(model: Model, shown: ReadonlySet<string>): string[] {
  const collections = pluralAssociations(model).map(({ alias }) => alias)
  return [...new Set([...shown, ...collections])].filter(name => name !== model.primaryKey)
}

function protectedAttributes(model: Model, shown: ReadonlySet<string>, writable: ReadonlySet<string>): Set<string> {
  const isProtected = (name: string) => !shown.has(name) && !writable.has(name) && name !== model.primaryKey
  return new Set([...model.attributes.keys()].filter(isProtected))
}

function attributeOf(model: Model, name: string, option: string) {
  const attribute = model.attributes.get(name)
  if (attribute) return attribute
  const known = [...model.attributes.keys()].join(', ')
  const message = `Option \`models.${model.identity}.${option}\` names "${name}", which is not an attribute with a column. Attributes: ${known}.`
  throw new ChangefeedError('E_OPTIONS', message)
}

function requireWritable(model: Model, name: string) {
  if (!model.associations.some(({ alias }) => alias === name)) attributeOf(model, name, 'writable')
}
