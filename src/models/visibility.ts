import { compositeKey } from '../composite-key.ts'
import { ChangefeedError } from '../errors.ts'
import type { Attribute, Model, ModelRecord, Models } from './model.ts'

/** The settings of one model that decide which attributes are captured and visible. */
export interface VisibilityRules {
  readonly omit?: readonly string[] | undefined
  /** Attributes that are shown although they are marked `protect: true`. */
  readonly include?: readonly string[] | undefined
}

/** Without settings: `encrypt` attributes and those marked `protect: true` are neither captured nor visible. */
export const isShownByDefault = (
  { name, encrypt, protect }: Pick<Attribute, 'name' | 'encrypt' | 'protect'>,
  { primaryKey }: Pick<Model, 'primaryKey'>,
): boolean => !encrypt && (protect !== true || name === primaryKey)

/**
 * The model with `captured` and `visible` of its attributes by the settings. The feed and the server of clients each resolve
 * their models once, at the start. Throws `E_OPTIONS` for an attribute that the model does not have.
 */
export function resolveVisibility(model: Model, { omit = [], include = [] }: VisibilityRules): Model {
  assertAttributes(model, 'omit', omit)
  assertAttributes(model, 'include', include)
  const isShown = (attribute: Attribute) =>
    !omit.includes(attribute.name) &&
    (isShownByDefault(attribute, model) || (include.includes(attribute.name) && !attribute.encrypt))
  return withAttributes(model, attribute => ({ captured: isShown(attribute), visible: isShown(attribute) }))
}

/** The model with changed fields of its attributes. */
export function withAttributes(model: Model, fieldsOf: (attribute: Attribute) => Partial<Attribute>): Model {
  const attributes = [...model.attributes].map(
    ([name, attribute]) => [name, { ...attribute, ...fieldsOf(attribute) }] as const,
  )
  return { ...model, attributes: new Map(attributes) }
}

/**
 * The columns of the model's table that the trigger does not log: those of attributes that are not captured, and those of
 * attributes that another model of the same table does not capture and this model does not have.
 */
export function uncapturedColumns(model: Model, models: Models): Set<string> {
  const known = new Set([...model.attributes.values()].map(({ column }) => column))
  const neighbours = [...models.values()].filter(other => other !== model && tableOf(other) === tableOf(model))
  const unknown = neighbours.flatMap(uncaptured).filter(column => !known.has(column))
  return new Set([...uncaptured(model), ...unknown])
}

const uncaptured = ({ attributes }: Model) =>
  [...attributes.values()].flatMap(({ captured, column }) => (captured ? [] : column))

const tableOf = ({ schema, table }: Model) => compositeKey(schema, table)

/** Whether this is a visible attribute, or an association, whose records are subject to the visibility of their own model. */
export const isVisible = (model: Model, name: string): boolean =>
  model.attributes.get(name)?.visible ?? model.associations.some(({ alias }) => alias === name)

/**
 * Whether a key of a public record may leave: visible attributes, their columns, which the option `compatibility` sends, and
 * keys that `customToJSON` adds.
 */
export function mayLeave(model: Model, key: string): boolean {
  const attribute = model.attributes.get(key)
  if (attribute) return attribute.visible
  const ofColumn = [...model.attributes.values()].filter(({ column }) => column === key)
  if (ofColumn.length > 0) return ofColumn.every(({ visible }) => visible)
  return model.customToJSON !== undefined || isVisible(model, key)
}

/** Whether a record of the model may leave as a part of another record. */
export type MayNest = (nested: Model) => boolean

/** In a response, whose records were checked by the policies for this request. */
export const inResponse: MayNest = nested => nested.readers !== 'none'

/**
 * In a message about a record of `root`, which each subscriber of the record receives. If only the app's own code subscribes
 * sockets to `root`, the app decides.
 */
export const inMessagesOf =
  (root: Model | undefined): MayNest =>
  nested =>
    nested.readers === 'all' || root?.readers === 'none'

/**
 * Replaces populated records, in place of the value of an association: with the given form of those that may leave, with the
 * ids of the others. Records of an unknown model are left out.
 */
export function nestedValue(
  value: unknown,
  model: Model | undefined,
  mayNest: MayNest,
  formOf: (record: ModelRecord, model: Model) => ModelRecord,
): unknown {
  if (Array.isArray(value)) {
    const all = value.map(each => nestedValue(each, model, mayNest, formOf))
    return all.every((each, index) => each === value[index]) ? value : all.filter(each => each !== undefined)
  }
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return value
  if (!model) return undefined
  const record = value as ModelRecord
  return mayNest(model) ? formOf(record, model) : record[model.primaryKey]
}

function assertAttributes({ identity, attributes }: Model, option: 'omit' | 'include', names: readonly string[]) {
  const unknown = names.filter(name => !attributes.has(name))
  if (unknown.length === 0) return
  const quoted = unknown.map(name => `\`${name}\``).join(', ')
  throw new ChangefeedError(
    'E_OPTIONS',
    `Option \`models.${identity}.${option}\` names ${quoted}, which is not an attribute with a column. Attributes: ${[...attributes.keys()].join(', ')}.`,
  )
}
