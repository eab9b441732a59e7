import { createHash } from 'node:crypto'
import { qualify, quoteName, quoteText } from '../db/quote.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { Model } from '../models/model.ts'
import type { CaptureOptions } from './capture-options.ts'
import type { Relation, TableTree } from './installed.ts'
import { functionName, qualified, triggerName } from './names.ts'
import { rowFunctionBody } from './row-function.ts'

/** Everything that captures one model's table: a function, and the triggers that call it. */
export interface CaptureDefinition {
  readonly tableId: number
  readonly functionBody: string
  /** Settings that hold while the function runs, by name. */
  readonly functionSettings: ReadonlyMap<string, string>
  readonly functionSql: string
  readonly triggers: readonly TriggerDefinition[]
  /** Kept with the captured table, to be compared. */
  readonly fingerprint: string
}

export interface TriggerDefinition {
  readonly name: string
  readonly relation: Relation
  /** As pg_trigger.tgtype. */
  readonly type: number
  readonly conditional: boolean
  /** As pg_trigger.tgenabled. */
  readonly enabled: 'O' | 'A'
  /** Partitions to which Postgres clones it. */
  readonly clonedTo: readonly Relation[]
  readonly sql: readonly string[]
}

export interface CaptureSource {
  readonly model: Model
  readonly shape: TableShape
  readonly tree: TableTree
  /** Columns that the trigger leaves out. */
  readonly redacted: ReadonlySet<string>
  readonly options: CaptureOptions
}

export function defineCapture(tableId: number, source: CaptureSource): CaptureDefinition {
  const { schema } = source.options
  const functionBody = bodyOf(tableId, source)
  const functionSettings = new Map([['search_path', 'pg_catalog, pg_temp']])
  const functionSql = createFunction(qualify(schema, functionName(tableId)), functionBody, functionSettings)
  const triggers = triggersOf(tableId, source)
  const fingerprint = fingerprintOf([
    functionBody,
    [...functionSettings],
    rowTriggers(source),
    source.options.enableAlways,
  ])
  return { tableId, functionBody, functionSettings, functionSql, triggers, fingerprint }
}

/** Of what the options and the columns decide; a renamed table or a new partition does not change it. */
const fingerprintOf = (parts: unknown[]) => createHash('sha256').update(JSON.stringify(parts)).digest('hex')

function bodyOf(tableId: number, { model, shape, redacted, options }: CaptureSource): string {
  return rowFunctionBody({
    schema: options.schema,
    tableId,
    primaryKey: model.attributes.get(model.primaryKey)?.column ?? '',
    shape,
    redacted,
    originTag: options.originTag ?? false,
  })
}

/**
 * SECURITY DEFINER: whoever may write to the app's table need have no right on ours. EXECUTE stays with everyone, since
 * Postgres asks it of the owner of a captured table who creates a partition; our schema is closed to them.
 */
function createFunction(name: string, body: string, settings: ReadonlyMap<string, string>): string {
  const clauses = [...settings].map(([setting, value]) => `set ${quoteName(setting)} = ${settingText(setting, value)}`)
  return `create or replace function ${name}() returns trigger language plpgsql security definer ${clauses.join(' ')} as ${quoteText(body)}`
}

/** A list of schemas is not one string. */
const settingText = (setting: string, value: string) => (setting === 'search_path' ? value : quoteText(value))

const TYPE = { row: 1, before: 2, insert: 4, delete: 8, update: 16, truncate: 32 } as const

function triggersOf(tableId: number, source: CaptureSource): TriggerDefinition[] {
  const { root, partitions } = source.tree
  const trigger = (kind: string, relation: Relation, parts: TriggerParts) =>
    triggerOf(tableId, kind, relation, parts, source)
  return [
    ...rowTriggers(source).map(parts => trigger(parts.kind, root, { ...parts, clonedTo: partitions })),
    ...[root, ...partitions].flatMap(relation => [
      trigger('truncating', relation, TRUNCATING),
      trigger('truncate', relation, TRUNCATE),
    ]),
  ]
}

interface TriggerParts {
  readonly events: string
  readonly type: number
  readonly condition?: string
  readonly clonedTo: readonly Relation[]
}

const TRUNCATE: TriggerParts = { events: 'after truncate', type: TYPE.truncate, clonedTo: [] }
const TRUNCATING: TriggerParts = { events: 'before truncate', type: TYPE.truncate | TYPE.before, clonedTo: [] }

function rowTriggers({ model, options }: CaptureSource) {
  const noopUpdates = options.models.get(model.identity)?.noopUpdates ?? options.noopUpdates
  if (noopUpdates === 'publish') {
    return [
      {
        kind: 'row',
        events: 'after insert or update or delete',
        type: TYPE.row | TYPE.insert | TYPE.update | TYPE.delete,
      },
    ]
  }
  return [
    { kind: 'row', events: 'after insert or delete', type: TYPE.row | TYPE.insert | TYPE.delete },
    // The comparison of bytes: `is distinct from` needs an equality that json, for one, has not.
    {
      kind: 'update',
      events: 'after update',
      type: TYPE.row | TYPE.update,
      condition: 'old.* operator(pg_catalog.*<>) new.*',
    },
  ]
}

function triggerOf(
  tableId: number,
  kind: string,
  relation: Relation,
  { events, type, condition, clonedTo }: TriggerParts,
  { options: { schema, enableAlways } }: CaptureSource,
): TriggerDefinition {
  const name = triggerName(schema, tableId, kind)
  const table = qualified(relation)
  const level = type & TYPE.row ? 'row' : 'statement'
  const when = condition ? ` when (${condition})` : ''
  const always = `alter table ${table} enable always trigger ${quoteName(name)}`
  return {
    name,
    relation,
    type,
    conditional: condition !== undefined,
    enabled: enableAlways ? 'A' : 'O',
    clonedTo,
    sql: [
      `create trigger ${quoteName(name)} ${events} on ${table} for each ${level}${when} execute function ${qualify(schema, functionName(tableId))}()`,
      ...(enableAlways ? [always] : []),
    ],
  }
}
