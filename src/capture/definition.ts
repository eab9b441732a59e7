import { createHash } from 'node:crypto'
import { qualify, quoteName, quoteText } from '../db/quote.ts'
import { captureMode } from './capture-mode.ts'
import type { CaptureSource } from './capture-source.ts'
import type { Relation } from './installed.ts'
import { functionName, qualified, triggerName } from './names.ts'
import { rowFunctionBody } from './row-function.ts'
import { statementFunctionBody } from './statement-function.ts'
import { NEW_ROWS, OLD_ROWS } from './transition-rows.ts'

/** The capture of one model's table: a function, and the triggers that call it. */
export interface CaptureDefinition {
  readonly tableId: number
  readonly functionBody: string
  /** Settings of the function, by name. */
  readonly functionSettings: ReadonlyMap<string, string>
  readonly functionSql: string
  readonly triggers: readonly TriggerDefinition[]
  /** Stored with the captured table, for comparison. */
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
  /** Partitions that Postgres clones it to. */
  readonly clonedTo: readonly Relation[]
  readonly sql: readonly string[]
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
    dataTriggers(source),
    source.options.enableAlways,
  ])
  return { tableId, functionBody, functionSettings, functionSql, triggers, fingerprint }
}

/** Covers options and columns. Renaming the table or adding a partition does not change it. */
const fingerprintOf = (parts: unknown[]) => createHash('sha256').update(JSON.stringify(parts)).digest('hex')

function bodyOf(tableId: number, source: CaptureSource): string {
  const { model, shape, redacted, options } = source
  const fn = {
    schema: options.schema,
    tableId,
    primaryKey: model.attributes.get(model.primaryKey)?.column ?? '',
    shape,
    redacted,
    originTag: options.originTag ?? false,
  }
  if (captureMode(source) === 'row') return rowFunctionBody(fn)
  return statementFunctionBody({ ...fn, skipSame: skipsSame(source) })
}

const skipsSame = ({ model, options }: CaptureSource) =>
  (options.models.get(model.identity)?.noopUpdates ?? options.noopUpdates) === 'ignore'

/**
 * SECURITY DEFINER, so that roles that write to the app's table need no privilege on ours. EXECUTE stays with PUBLIC,
 * since Postgres requires it of the owner of a captured table who creates a partition. Our schema is closed to other
 * roles.
 */
function createFunction(name: string, body: string, settings: ReadonlyMap<string, string>): string {
  const clauses = [...settings].map(([setting, value]) => `set ${quoteName(setting)} = ${settingText(setting, value)}`)
  return `create or replace function ${name}() returns trigger language plpgsql security definer ${clauses.join(' ')} as ${quoteText(body)}`
}

/** search_path is a list of schemas, not one string. */
const settingText = (setting: string, value: string) => (setting === 'search_path' ? value : quoteText(value))

const TYPE = { row: 1, before: 2, insert: 4, delete: 8, update: 16, truncate: 32 } as const

function triggersOf(tableId: number, source: CaptureSource): TriggerDefinition[] {
  const { root, partitions } = source.tree
  const trigger = (kind: string, relation: Relation, parts: TriggerParts) =>
    triggerOf(tableId, kind, relation, parts, source)
  return [
    ...dataTriggers(source).map(parts => trigger(parts.kind, root, { ...parts, clonedTo: partitions })),
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
  /** The clause that names transition tables. */
  readonly transition?: string
  readonly clonedTo: readonly Relation[]
}

const TRUNCATE: TriggerParts = { events: 'after truncate', type: TYPE.truncate, clonedTo: [] }
const TRUNCATING: TriggerParts = { events: 'before truncate', type: TYPE.truncate | TYPE.before, clonedTo: [] }

const dataTriggers = (source: CaptureSource) =>
  captureMode(source) === 'row' ? rowTriggers(source) : STATEMENT_TRIGGERS

/** A trigger with transition tables can have one event only. */
const STATEMENT_TRIGGERS = [
  { kind: 'insert', events: 'after insert', type: TYPE.insert, transition: `new table as ${NEW_ROWS}` },
  {
    kind: 'update',
    events: 'after update',
    type: TYPE.update,
    transition: `old table as ${OLD_ROWS} new table as ${NEW_ROWS}`,
  },
  { kind: 'delete', events: 'after delete', type: TYPE.delete, transition: `old table as ${OLD_ROWS}` },
]

function rowTriggers(source: CaptureSource) {
  if (!skipsSame(source)) {
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
    // Compares bytes: `is distinct from` requires an equality operator, which json lacks.
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
  { events, type, condition, transition, clonedTo }: TriggerParts,
  { options: { schema, enableAlways } }: CaptureSource,
): TriggerDefinition {
  const name = triggerName(schema, tableId, kind)
  const table = qualified(relation)
  const level = type & TYPE.row ? 'row' : 'statement'
  const referencing = transition ? ` referencing ${transition}` : ''
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
      `create trigger ${quoteName(name)} ${events} on ${table}${referencing} for each ${level}${when} execute function ${qualify(schema, functionName(tableId))}()`,
      ...(enableAlways ? [always] : []),
    ],
  }
}
