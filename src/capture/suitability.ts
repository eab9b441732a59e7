import { quoteName } from '../db/quote.ts'
import type { TableShape, TypeShape } from '../db/table-shape.ts'
import type { ErrorCode } from '../errors.ts'
import type { Model } from '../models/model.ts'
import { modeWarning } from './capture-mode.ts'
import type { CaptureSource } from './capture-source.ts'
import type { InstalledCapture, Relation } from './installed.ts'
import { qualified } from './names.ts'

/** Why something cannot be captured. */
export interface CaptureProblem {
  readonly code: ErrorCode
  /** The problem and its remedy. */
  readonly message: string
  /** Absent if it is not about one model. */
  readonly identity?: string
}

const FIRST_VERSION = 130_000 // xid8

/**
 * Problems of the server and the role. `isPending`: whether there is something to install. A listener's role lacks the
 * privileges to install, and does not need them while capture is up to date.
 */
export function serverProblems(
  { serverVersion, role, missingRights }: InstalledCapture,
  isPending: boolean,
): CaptureProblem[] {
  const tooOld = serverVersion < FIRST_VERSION
  return [
    ...(tooOld
      ? [problem('E_VERSION', 'The server is older than PostgreSQL 13, which capture needs. Upgrade it.')]
      : []),
    ...(isPending && missingRights.length > 0
      ? [
          problem(
            'E_PRIVILEGE',
            `The role "${role}" lacks rights on the feed's own schema: ${missingRights.join(', ')}. ` +
              'Grant them, or install as the role that created the schema.',
          ),
        ]
      : []),
  ]
}

/** The first problem that prevents capture of a model; the others usually follow from it. */
export function modelProblem(
  model: Model,
  shape: TableShape | undefined,
  redacted: ReadonlySet<string>,
): CaptureProblem | null {
  const message =
    tableFault(model, shape) ??
    keyFault(model, shape as TableShape) ??
    redactionFault(model, shape as TableShape, redacted)
  return message ? { ...problem('E_MODEL', `Model \`${model.identity}\`: ${message}`), identity: model.identity } : null
}

function tableFault(model: Model, shape: TableShape | undefined): string | undefined {
  const table = qualified({ schema: model.schema, name: model.table })
  if (!shape) return `there is no table ${table}. Create it, or leave the model out with the option \`models\`.`
  if (shape.kind === 'table' || shape.kind === 'partitioned') return undefined
  const kind = { view: 'a view', foreign: 'a foreign table', other: 'no ordinary table' }[shape.kind]
  return `${table} is ${kind}, whose row changes Postgres triggers do not see. Leave the model out with the option \`models\`.`
}

function keyFault(model: Model, shape: TableShape): string | undefined {
  const name = model.attributes.get(model.primaryKey)?.column ?? model.primaryKey
  const column = shape.columns.get(name)
  const of = `the primary key column "${name}" of ${qualified(shape)}`
  if (!column) return `${of} does not exist. Correct \`primaryKey\` or its \`columnName\`.`
  if (column.generated === 'virtual')
    return `${of} is a virtual generated column, which triggers cannot read. Make it stored.`
  if (!column.notNull)
    return `${of} may be null. Run: alter table ${qualified(shape)} alter column ${quoteName(name)} set not null.`
  if (!isUnique(shape, name)) {
    return `${of} is not unique by itself. Add a primary key or a unique index on it alone (not deferrable, not partial).`
  }
  return undefined
}

const isUnique = (shape: TableShape, column: string) =>
  isUniqueAlone(shape, column) || isPartOfPartitionedKey(shape, column)

const isUniqueAlone = ({ uniqueKeys }: TableShape, column: string) =>
  uniqueKeys.some(key => key.length === 1 && key[0] === column)

/** A unique index of a partitioned table must include the partition key. */
const isPartOfPartitionedKey = ({ kind, uniqueKeys }: TableShape, column: string) =>
  kind === 'partitioned' && uniqueKeys.some(key => key.includes(column))

function redactionFault(model: Model, shape: TableShape, redacted: ReadonlySet<string>): string | undefined {
  const attributes = [...model.attributes.values()].filter(({ column }) => redacted.has(column))
  if (attributes.some(({ name }) => name === model.primaryKey)) {
    return `the primary key "${model.primaryKey}" is omitted or encrypted, but the feed requires it. Do not omit or encrypt it.`
  }
  const missing = attributes.find(({ column }) => !shape.columns.has(column))
  if (!missing) return undefined
  return `the attribute "${missing.name}" is omitted, but ${qualified(shape)} has no column "${missing.column}". Create it, or correct its \`columnName\`.`
}

/** The privileges on the app's table that a step needs: TRIGGER to create triggers, ownership to drop them. */
export function rightsProblem(
  identity: string,
  relations: readonly Relation[],
  role: string,
  needsOwner: boolean,
): CaptureProblem | null {
  const refused = relations.find(({ owned, triggerRight }) => !(needsOwner ? owned : triggerRight))
  if (!refused) return null
  const table = qualified(refused)
  const message = needsOwner
    ? `Model \`${identity}\`: only the owner of ${table} may change its triggers, and the role "${role}" is not "${refused.owner}". Install as the owner, or run: grant ${quoteName(refused.owner)} to ${quoteName(role)}.`
    : `Model \`${identity}\`: the role "${role}" may not create a trigger on ${table}. Install as its owner "${refused.owner}", or run: grant trigger on table ${table} to ${quoteName(role)}.`
  return { ...problem('E_PRIVILEGE', message), identity }
}

/** Limitations that an operator should know of a model that can be captured. */
export function modelWarnings(source: CaptureSource): string[] {
  const { model, shape, tree } = source
  const table = qualified(shape)
  const key = model.attributes.get(model.primaryKey)?.column ?? ''
  const warnings = [
    shape.kind === 'partitioned' &&
      !isUniqueAlone(shape, key) &&
      `"${key}" is unique in ${table} only together with the partition key: records with the same ${key} are treated as one.`,
    shape.kind === 'partitioned' &&
      `TRUNCATE of a single partition of ${table} is captured only for existing partitions: install again after adding partitions.`,
    shape.unlogged &&
      `${table} is unlogged: PostgreSQL empties it after a crash without firing triggers. Run: alter table ${table} set logged.`,
    !isIdType(shape.columns.get(key)?.type) &&
      `"${key}" of ${table} is neither text nor a number, so messages cannot identify a record: each change makes clients refetch.`,
    tree.inherited && `rows of tables that inherit from ${table} are not captured.`,
    modeWarning(source),
  ]
  return warnings
    .filter(warning => warning !== false && warning !== null)
    .map(warning => `Model \`${model.identity}\`: ${warning}`)
}

/** Types that node-postgres parses to other values: bool, bytea, json, point, circle, dates, interval, jsonb. */
const OTHER_VALUES = [16, 17, 114, 600, 718, 1082, 1114, 1184, 1186, 3802]

const isIdType = (type: TypeShape | undefined): boolean =>
  type?.kind === 'domain' ? isIdType(type.base) : type?.kind !== 'array' && !OTHER_VALUES.includes(type?.oid ?? 0)

const problem = (code: ErrorCode, message: string): CaptureProblem => ({ code, message })
