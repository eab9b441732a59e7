import { compositeKey } from '../composite-key.ts'
import { ChangefeedError } from '../errors.ts'
import { type Attribute, type Model, type ModelRecord, type Models, targetOf } from './model.ts'
import { nearestSentence } from './nearest-names.ts'

export interface ModelOptions<Shown = ModelRecord> {
  /**
   * Attributes that the trigger does not log and the feed does not publish. `encrypt` attributes are always omitted, and
   * attributes marked `protect: true` unless they are in `include`.
   */
  readonly omit?: readonly string[] | undefined
  /** Attributes to publish although they are marked `protect: true` or named like a secret. */
  readonly include?: readonly string[] | undefined
  /** Whether to publish an UPDATE of this model that changes nothing. */
  readonly noopUpdates?: 'publish' | 'ignore' | undefined
  /**
   * Rooms of the app that receive the same `created`, `updated` and `destroyed` messages as the model's own rooms. `record` is
   * the new or the destroyed record, as clients may see it.
   *
   * @example
   * rooms: task => `board ${task.board}`
   */
  readonly rooms?: ((record: Shown, change: RoomChange<Shown>) => string | readonly string[]) | undefined
}

/** The change of a message, as clients may see it. */
export interface RoomChange<Shown = ModelRecord> {
  readonly operation: 'insert' | 'update' | 'delete'
  /** Update and delete. */
  readonly previous?: Shown
  /** Insert and update. */
  readonly record?: Shown
  /** Attributes that an update changed. */
  readonly changed: readonly string[]
}

/** The selected models and the settings of single models, by identity. */
export interface ModelSelection {
  /** If set, only these models are included. */
  readonly only: ReadonlySet<string> | null
  readonly except: ReadonlySet<string>
  readonly options: ReadonlyMap<string, ModelOptions>
}

/** Waterline's own model for `archive()`. Its rows contain whole records of other models, including their hidden attributes. */
const ARCHIVE = 'archive'

/**
 * The models that the options select. A generated junction table is included if one of the models at its ends is.
 * Waterline's `archive` is included only if it is named. Throws `E_OPTIONS` for an unknown identity.
 */
export function selectModels(models: Models, { only, except, options }: ModelSelection): Models {
  const named = [...(only ?? []), ...except, ...options.keys()]
  const unknown = named.filter(identity => !models.has(identity))
  if (unknown.length > 0) {
    throw new ChangefeedError(
      'E_OPTIONS',
      unknown.map(name => `Option \`models\` names ${noModel(name, models)}`).join(' '),
    )
  }
  const isNamed = (identity: string) =>
    !except.has(identity) && (only === null ? identity !== ARCHIVE || options.has(identity) : only.has(identity))
  const isIn = ({ identity, junction, associations }: Model) =>
    isNamed(identity) || (junction && !except.has(identity) && associations.map(targetOf).some(isNamed))
  return new Map([...models].filter(([, model]) => isIn(model)))
}

/**
 * The columns that are not logged, by model identity: those of `encrypt` and `protect` attributes and of the option `omit`.
 * Throws `E_OPTIONS` for unknown attributes and for a primary key.
 */
export function redactedColumns(
  models: Models,
  { options }: Pick<ModelSelection, 'options'>,
): Map<string, ReadonlySet<string>> {
  const own = new Map([...models.values()].map(model => [model, redactedOf(model, options.get(model.identity))]))
  const ofTable = new Map<string, string[]>()
  for (const [model, columns] of own) ofTable.set(tableOf(model), [...(ofTable.get(tableOf(model)) ?? []), ...columns])
  return new Map(
    [...own].map(([model, columns]) => [
      model.identity,
      new Set([...columns, ...unknownTo(model, ofTable.get(tableOf(model)) ?? [])]),
    ]),
  )
}

/** Whether an attribute is not logged, and so is never published. */
export function omittedAttributes(models: Models, selection: Pick<ModelSelection, 'options'>) {
  const redacted = redactedColumns(models, selection)
  return (identity: string, attribute: string): boolean => {
    const column = models.get(identity)?.attributes.get(attribute)?.column
    return column !== undefined && redacted.get(identity)?.has(column) === true
  }
}

/** If two models share a table, columns that one omits must not be logged for the other, which has no attribute for them. */
function unknownTo({ attributes }: Model, columns: readonly string[]): string[] {
  if (columns.length === 0) return []
  const known = new Set([...attributes.values()].map(({ column }) => column))
  return columns.filter(column => !known.has(column))
}

const tableOf = ({ schema, table }: Model) => compositeKey(schema, table)

function redactedOf(model: Model, { omit = [], include = [] }: ModelOptions = {}): Set<string> {
  const { identity, primaryKey, attributes } = model
  assertAttributes(model, 'omit', omit)
  assertAttributes(model, 'include', include)
  if (omit.includes(primaryKey)) {
    throw new ChangefeedError(
      'E_OPTIONS',
      `Option \`models.${identity}.omit\` names the primary key \`${primaryKey}\`, which cannot be omitted because it identifies records.`,
    )
  }
  const isProtected = ({ name, protect }: Attribute) => protect && name !== primaryKey && !include.includes(name)
  const redacted = [...attributes.values()].filter(
    attribute => attribute.encrypt || omit.includes(attribute.name) || isProtected(attribute),
  )
  return new Set(redacted.map(({ column }) => column))
}

function assertAttributes({ identity, attributes }: Model, option: 'omit' | 'include', names: readonly string[]) {
  const unknown = names.filter(name => !attributes.has(name))
  if (unknown.length === 0) return
  throw new ChangefeedError(
    'E_OPTIONS',
    `Option \`models.${identity}.${option}\` names ${quoted(unknown)}, which is not an attribute with a column. Attributes: ${[...attributes.keys()].join(', ')}.`,
  )
}

/** `` `usr`, which is no model. Nearest of 32 models: user, role, group.`` */
export const noModel = (name: string, models: Models) =>
  `\`${name}\`, which is no model. ${nearestSentence(name, models.keys())}`

const quoted = (names: readonly string[]) => names.map(name => `\`${name}\``).join(', ')
