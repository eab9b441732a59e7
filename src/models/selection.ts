import { ChangefeedError } from '../errors.ts'
import { type Model, type ModelRecord, type Models, targetOf } from './model.ts'
import { nearestSentence } from './nearest-names.ts'
import { resolveVisibility } from './visibility.ts'

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
  /** Whether triggers fire for each row or for each statement of this model. */
  readonly capture?: 'row' | 'statement' | undefined
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
 * Waterline's `archive` is included only if it is named. Resolves which attributes are captured and visible. Throws `E_OPTIONS`
 * for unknown identities and attributes, and for a primary key in `omit`.
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
  const selected = [...models].filter(([, model]) => isIn(model))
  return new Map(selected.map(([identity, model]) => [identity, withOptions(model, options.get(identity))]))
}

function withOptions(model: Model, options: ModelOptions = {}): Model {
  const { identity, primaryKey } = model
  const resolved = resolveVisibility(model, options)
  if (options.omit?.includes(primaryKey) !== true) return resolved
  throw new ChangefeedError(
    'E_OPTIONS',
    `Option \`models.${identity}.omit\` names the primary key \`${primaryKey}\`, which cannot be omitted because it identifies records.`,
  )
}

/** `` `usr`, which is no model. Nearest of 32 models: user, role, group.`` */
export const noModel = (name: string, models: Models) =>
  `\`${name}\`, which is no model. ${nearestSentence(name, models.keys())}`
