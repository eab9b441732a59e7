import { ChangefeedError } from '../errors.ts'
import type { Association, Model, ModelRecord, Models } from '../ontology/model.ts'
import { presentable } from '../ontology/presentation.ts'
import { forbidden } from './refusal.ts'
import type { RealtimeRequest } from './request.ts'

export const WRITE_ACTIONS = ['create', 'update', 'destroy', 'add', 'remove', 'replace'] as const
export type WriteAction = (typeof WRITE_ACTIONS)[number]
/** What a request is about to do: read records, hear of new ones, or write. */
export type Action = 'find' | 'watch' | WriteAction

type Verdict = boolean | Promise<boolean>

/** What clients may do with one model. Naming a model opens it for reading; the rest stays closed. */
export interface ModelAccess {
  /** Whether this request may do this to the model at all. @default yes */
  policy?(req: RealtimeRequest, action: Action): Verdict
  /**
   * Whether it may see this record, or do this to it; of an update it is asked twice, of the record as it is and as it would
   * be. A record that it may not see is left out of answers, and the socket is not subscribed to it. It judges what was
   * found, so with conditions and `limit` a client can infer values of records that it is not shown: `omit` what must not
   * be guessed. @default yes
   */
  recordPolicy?(req: RealtimeRequest, record: ModelRecord, action: Action): Verdict
  /**
   * Whether a socket that lists the model hears of every new record, whatever it is. With a `recordPolicy` it would hear of
   * records that it may not see. @default yes, without a `recordPolicy`
   */
  watch?: boolean
  /** REST routes that write: all, or these. @default none */
  write?: boolean | readonly WriteAction[]
  /** Attributes that clients may set. @default all but the primary key */
  writable?: readonly string[]
  /** Attributes that clients must not see, nor search or sort by. `encrypt` attributes never are seen. @default none */
  omit?: readonly string[]
}

/** One model that clients may use, with every default in place. */
export interface OpenModel {
  readonly model: Model
  /** Whether everyone may read every record. */
  readonly isPublic: boolean
  readonly canWatch: boolean
  readonly writes: ReadonlySet<WriteAction>
  readonly writable: ReadonlySet<string>
  /** Attributes that may be searched, sorted by and selected. */
  readonly visible: ReadonlySet<string>
  /** Associations that may be read and populated: where a key is omitted, so is whom it names. */
  readonly associations: readonly Association[]
  allows(req: RealtimeRequest, action: Action): Promise<boolean>
  allowsRecord(req: RealtimeRequest, record: ModelRecord, action: Action): Promise<boolean>
}

export type OpenModels = ReadonlyMap<string, OpenModel>

/** Throws `E_OPTIONS` for a model or an attribute that does not exist. */
export function openModels(models: Models, access: Readonly<Record<string, true | ModelAccess>>): OpenModels {
  return new Map(
    Object.entries(access).map(([name, given]) => {
      const model = models.get(name.toLowerCase())
      if (!model) {
        const known = [...models.keys()].join(', ')
        throw new ChangefeedError(
          'E_OPTIONS',
          `Option \`models\` names "${name}", which is no model. Models: ${known}.`,
        )
      }
      return [model.identity, openModel(model, given === true ? {} : given)]
    }),
  )
}

/** Columns of a model that clients must not see, by what its access omits. */
export function omittedColumns(model: Model, access: true | ModelAccess | undefined): Set<string> {
  const omit = access === true || access === undefined ? [] : (access.omit ?? [])
  return new Set(omit.map(name => attributeOf(model, name, 'omit').column))
}

function openModel(model: Model, access: ModelAccess): OpenModel {
  const { policy, recordPolicy, watch = recordPolicy === undefined, write = false } = access
  for (const name of access.writable ?? []) requireWritable(model, name)
  const omitted = omittedColumns(model, access)
  return {
    model,
    isPublic: policy === undefined && recordPolicy === undefined,
    canWatch: watch,
    writes: new Set(write === true ? WRITE_ACTIONS : write === false ? [] : write),
    writable: new Set(access.writable ?? settable(model)),
    visible: visibleAttributes(model, omitted),
    associations: model.associations.filter(({ alias }) => !omitted.has(model.attributes.get(alias)?.column ?? '')),
    allows: async (req, action) => (policy ? (await policy.call(access, req, action)) === true : true),
    allowsRecord: async (req, record, action) =>
      recordPolicy ? (await recordPolicy.call(access, req, record, action)) === true : true,
  }
}

/** Throws a `Refusal` unless the request may do this to the model. */
export async function requireAllowed(open: OpenModel, req: RealtimeRequest, action: Action): Promise<void> {
  if (!(await open.allows(req, action))) throw forbidden()
}

export async function requireRecordAllowed(open: OpenModel, req: RealtimeRequest, record: ModelRecord, action: Action) {
  if (!(await open.allowsRecord(req, record, action))) throw forbidden()
}

export const targetOf = (association: Association) =>
  association.type === 'model' ? association.model : association.collection

function settable({ attributes, associations, primaryKey }: Model): string[] {
  const names = [...attributes.keys(), ...associations.map(({ alias }) => alias)]
  return [...new Set(names)].filter(name => name !== primaryKey)
}

/**
 * What `customToJSON` takes away must not be searched either, or a password could be guessed letter by letter. It is asked
 * with a blank record; where that tells nothing, only the primary key is left.
 */
function visibleAttributes(model: Model, redacted: ReadonlySet<string>): Set<string> {
  const blank = Object.fromEntries([...model.attributes.keys()].map(name => [name, null]))
  const presentation = { models: new Map([[model.identity, model]]), redactedColumns: () => redacted }
  try {
    const shown = Object.keys(presentable(presentation, model.identity, blank))
    return new Set(shown.filter(name => model.attributes.has(name)))
  } catch {
    return new Set([model.primaryKey])
  }
}

function attributeOf(model: Model, name: string, option: string) {
  const attribute = model.attributes.get(name)
  if (attribute) return attribute
  const known = [...model.attributes.keys()].join(', ')
  const message = `Option \`models.${model.identity}.${option}\` names "${name}", which is no attribute with a column. Attributes: ${known}.`
  throw new ChangefeedError('E_OPTIONS', message)
}

function requireWritable(model: Model, name: string) {
  if (!model.associations.some(({ alias }) => alias === name)) attributeOf(model, name, 'writable')
}
