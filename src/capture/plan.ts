import { qualify, quoteText } from '../db/quote.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { Model, Models } from '../models/model.ts'
import { uncapturedColumns } from '../models/visibility.ts'
import type { CaptureOptions, InstallFlags } from './capture-options.ts'
import { type CaptureDefinition, defineCapture } from './definition.ts'
import { differences, type TriggerDifferences } from './differences.ts'
import { gapMarker } from './gap-marker.ts'
import type { CapturedTable, InstalledCapture, Relation, TableTree } from './installed.ts'
import { redactionOf } from './kept-redaction.ts'
import { qualified } from './names.ts'
import { dropTrigger, forgetCapture, planDrop, planSurplus } from './removal.ts'
import { type CaptureStep, inOrder, type PlanPart } from './step.ts'
import { type CaptureProblem, modelProblem, modelWarnings, rightsProblem, serverProblems } from './suitability.ts'

export type { CaptureStep }

/** The steps that capture the wanted models. */
export interface CapturePlan {
  /** In the order in which they are applied. */
  readonly steps: readonly CaptureStep[]
  /** If there are any, nothing is applied. */
  readonly problems: readonly CaptureProblem[]
  readonly warnings: readonly string[]
}

export interface CaptureRequest {
  /** All models to capture. */
  readonly models: Models
  /** By model identity; without models that have no table. */
  readonly shapes: ReadonlyMap<string, TableShape>
  readonly installed: InstalledCapture
  readonly options: CaptureOptions & InstallFlags
}

/** Compares wanted and installed capture. Pure. */
export function planCapture(request: CaptureRequest): CapturePlan {
  const { models, installed } = request
  const planned = [...models.values()].map((model, index) =>
    planModel(model, uncapturedColumns(model, models), request, installed.nextId + index),
  )
  return planOf([...planned, ...surplusParts(request)], installed)
}

/** The plan that removes all capture. */
export function planRemoval(installed: InstalledCapture, schema: string): CapturePlan {
  const parts = installed.captured.map(captured => planDrop(captured, 'uninstalled', { installed, schema }))
  return planOf(parts, installed)
}

function planOf(parts: readonly PlanPart[], installed: InstalledCapture): CapturePlan {
  const steps = inOrder(parts)
  const isPending = pendingSteps({ steps }).length > 0
  return {
    steps,
    problems: [...serverProblems(installed, isPending), ...parts.flatMap(({ problem }) => problem ?? [])],
    warnings: parts.flatMap(({ warnings }) => warnings),
  }
}

/** Steps that are not done yet. */
export const pendingSteps = ({ steps }: Pick<CapturePlan, 'steps'>): CaptureStep[] =>
  steps.filter(({ action }) => action !== 'keep' && action !== 'surplus')

/** Captured tables that no model uses and that stay captured. */
export const surplusSteps = ({ steps }: CapturePlan): CaptureStep[] =>
  steps.filter(({ action }) => action === 'surplus')

function surplusParts({ models, shapes, installed, options: { schema, prune = false } }: CaptureRequest): PlanPart[] {
  return installed.captured.flatMap(captured => {
    const { identity, relation } = captured
    const table = shapes.get(identity)
    if (models.has(identity) && (!table || !relation || relation.oid === table.oid)) return []
    const other = relation && table ? `the table of the model is ${qualified(table)} now` : 'no model uses it'
    const reason = relation ? other : 'its table was dropped'
    return [planSurplus(captured, reason, prune, { installed, schema })]
  })
}

function planModel(model: Model, own: ReadonlySet<string>, request: CaptureRequest, freshId: number): PlanPart {
  const { installed, options, shapes } = request
  const shape = shapes.get(model.identity)
  const kept = shape ? keptRedaction(model, own, shape, request) : []
  const redacted = new Set([...own, ...(options.reveal ? [] : kept)])
  const problem = modelProblem(model, shape, redacted)
  const tree = shape && installed.trees.get(shape.oid)
  if (problem || !shape || !tree) return { step: null, problem, warnings: [] }
  const former = installed.captured.filter(({ identity }) => identity === model.identity)
  const captured = former.find(({ relation }) => relation?.oid === tree.root.oid)
  const source = { model, shape, tree, redacted, options }
  const definition = defineCapture(captured?.id ?? freshId, source)
  const warnings = [...modelWarnings(source), ...clashWarnings(model), ...redactionWarnings(model, kept, options)]
  const target: Target = { model, tree, definition, redacted, request }
  return { ...(captured ? planExisting(captured, target) : planCreate(former, target)), warnings }
}

/**
 * Columns that an earlier installation omitted, for this model or for another app's model of the same table. One app
 * must not log columns that another omits, unless it asks to.
 */
function keptRedaction(
  { identity }: Model,
  own: ReadonlySet<string>,
  shape: TableShape,
  { models, installed }: CaptureRequest,
): string[] {
  const isFormer = (captured: CapturedTable) =>
    captured.identity === identity || (captured.relation?.oid === shape.oid && !models.has(captured.identity))
  const columns = installed.captured.filter(isFormer).flatMap(captured => redactionOf(captured, shape))
  return [...new Set(columns)].filter(column => !own.has(column))
}

function redactionWarnings({ identity }: Model, kept: readonly string[], { reveal }: InstallFlags): string[] {
  if (kept.length === 0) return []
  const columns = kept.map(column => `"${column}"`).join(', ')
  const message = reveal
    ? `${columns} was omitted from the change log, and is logged from now on.`
    : `${columns} stays omitted from the change log, since an earlier installation of this app or another omitted it. To log it, install with --reveal (in code: \`reveal: true\`).`
  return [`Model \`${identity}\`: ${message}`]
}

const clashWarnings = ({ identity, nameClashes = [] }: Model) =>
  nameClashes.map(clash => `Model \`${identity}\`: ${clash}`)

interface Target {
  readonly model: Model
  readonly tree: TableTree
  readonly definition: CaptureDefinition
  readonly redacted: ReadonlySet<string>
  readonly request: CaptureRequest
}

/** `former`: captured tables of this model that were dropped, or that it no longer uses. */
function planCreate(former: readonly CapturedTable[], target: Target): Omit<PlanPart, 'warnings'> {
  const { model, tree, definition, request } = target
  const { root, partitions } = tree
  const needsOwner = request.options.enableAlways ?? false
  const isKnown = former.length > 0 || request.installed.published.includes(model.identity)
  const statements = [
    ...former.filter(({ relation }) => !relation).flatMap(captured => forgetCapture(captured, request.options.schema)),
    ...register(target),
    definition.functionSql,
    ...definition.triggers.flatMap(({ sql }) => sql),
    ...(isKnown ? gap(target) : []),
  ]
  return {
    step: { ...stepOf(target), action: 'create', reason: creationReason(former, isKnown), statements },
    problem: rightsProblem(model.identity, [root, ...partitions], request.installed.role, needsOwner),
  }
}

function creationReason(former: readonly CapturedTable[], isKnown: boolean): string {
  const moved = former.find(({ relation }) => relation)?.relation
  if (moved) return `the model's table is no longer ${qualified(moved)}`
  if (former.length > 0) return 'its table was dropped and created again'
  return isKnown ? 'no longer captured' : 'not captured yet'
}

function planExisting(captured: CapturedTable, target: Target): Omit<PlanPart, 'warnings'> {
  const { model, definition, request } = target
  const found = differences(captured, definition, target.tree)
  const unrecorded = captured.redacted ? [] : ['its omitted columns were not recorded']
  const reasons = [...found.reasons, ...unrecorded]
  if (reasons.length === 0) {
    return { step: { ...stepOf(target), action: 'keep', reason: 'up to date', statements: [] }, problem: null }
  }
  const { role } = request.installed
  const dropped = found.drop.map(({ relation }) => relation)
  return {
    step: {
      ...stepOf(target),
      action: 'replace',
      reason: reasons.join('; '),
      statements: replacement(found, target),
    },
    problem:
      rightsProblem(model.identity, dropped, role, true) ??
      rightsProblem(model.identity, touched(found), role, request.options.enableAlways ?? false),
  }
}

const touched = ({ create }: TriggerDifferences): Relation[] =>
  create.flatMap(({ relation, clonedTo }) => [relation, ...clonedTo])

function replacement({ drop, create, replaceFunction, wasOff }: TriggerDifferences, target: Target): string[] {
  const { tableId, fingerprint, functionSql } = target.definition
  const table = qualify(target.request.options.schema, 'captured_table')
  return [
    ...(replaceFunction ? [functionSql] : []),
    ...drop.map(dropTrigger),
    ...create.flatMap(({ sql }) => sql),
    `update ${table} set definition = ${quoteText(fingerprint)}, redacted = ${columnList(target)} where id = ${tableId}`,
    ...(wasOff ? gap(target) : []),
  ]
}

/** Records that changes may be missing up to now, so that nodes need not detect it. */
function gap({ model, definition: { tableId }, request: { options } }: Target): string[] {
  const { schema } = options
  return [
    ...gapMarker(schema, tableId, 'capture was off'),
    `update ${qualify(schema, 'model_capture')} set table_id = ${tableId}, fault = null, since = pg_catalog.clock_timestamp() where identity = ${quoteText(model.identity)} and table_name = ${quoteText(qualify(model.schema, model.table))}`,
  ]
}

const stepOf = ({ model, tree: { root }, definition: { tableId } }: Target) => ({
  identity: model.identity,
  table: qualified(root),
  tableId,
  oid: root.oid,
})

/** The plan chooses the id, so that it can show complete statements. The sequence is advanced accordingly. */
function register(target: Target): string[] {
  const { model, tree, definition, request } = target
  const table = qualify(request.options.schema, 'captured_table')
  const values = [
    definition.tableId,
    `${quoteText(qualified(tree.root))}::pg_catalog.regclass`,
    quoteText(model.identity),
    quoteText(definition.fingerprint),
    columnList(target),
  ]
  return [
    `insert into ${table} (id, relation, identity, definition, redacted) overriding system value values (${values.join(', ')})`,
    `select pg_catalog.setval(ids, greatest(${definition.tableId}, pg_catalog.pg_sequence_last_value(ids)))
from cast(pg_catalog.pg_get_serial_sequence(${quoteText(table)}, 'id') as pg_catalog.regclass) as ids`,
  ]
}

const columnList = ({ redacted }: Target) => `array[${[...redacted].map(quoteText).join(', ')}]::pg_catalog.text[]`
