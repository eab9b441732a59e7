import type { Model } from '../ontology/model.ts'

/** What to capture, and how. */
export interface CaptureOptions {
  /** Name of our own Postgres schema. */
  readonly schema: string
  readonly models: CaptureSelection
  /** Whether an UPDATE that changes nothing is logged. */
  readonly noopUpdates: NoopUpdates
  /**
   * Whether the trigger looks for an origin in the statement itself: `/*changefeed:origin=TOKEN*\/` at its very start or
   * very end. @default false
   */
  readonly originTag?: boolean
  /**
   * Whether changes are captured under `session_replication_role = replica` too, as logical replication applies them.
   * @default false
   */
  readonly enableAlways?: boolean
}

export type NoopUpdates = 'publish' | 'ignore'

/** Identities that are in or out, and the settings of single models. */
export interface CaptureSelection {
  readonly only: ReadonlySet<string> | null
  readonly except: ReadonlySet<string>
  readonly options: ReadonlyMap<string, ModelCaptureOptions>
}

export interface ModelCaptureOptions {
  /** Attributes whose columns the trigger leaves out. */
  readonly omit?: readonly string[] | undefined
  readonly noopUpdates?: NoopUpdates | undefined
}

export const isSelected = (identity: string, { only, except }: CaptureSelection): boolean =>
  (only === null || only.has(identity)) && !except.has(identity)

/** Identities that the selection speaks of, wanted or not. */
export const namedIdentities = ({ only, except, options }: CaptureSelection): string[] => [
  ...new Set([...(only ?? []), ...except, ...options.keys()]),
]

/** The attributes that never leave the table: those that Waterline encrypts, and those that the options omit. */
export function redactedAttributes(model: Model, options: CaptureOptions): string[] {
  const encrypted = [...model.attributes.values()].filter(({ encrypt }) => encrypt).map(({ name }) => name)
  return [...new Set([...encrypted, ...(options.models.options.get(model.identity)?.omit ?? [])])]
}

/** The columns of {@link redactedAttributes}; what decode has to expect to be missing. */
export function redactedColumns(model: Model, options: CaptureOptions): Set<string> {
  const attributes = redactedAttributes(model, options)
  return new Set(attributes.flatMap(name => model.attributes.get(name)?.column ?? []))
}
