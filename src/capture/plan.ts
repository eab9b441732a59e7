import { qualify, quoteName, quoteText } from '../db/quote.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { Model, Models } from '../ontology/model.ts'
import { redactedColumns } from '../ontology/selection.ts'
import type { CaptureOptions } from './capture-options.ts'
import { type CaptureDefinition, defineCapture } from './definition.ts'
import { differences, type TriggerDifferences } from './differences.ts'
import type { CapturedTable, InstalledCapture, Relation, TableTree } from './installed.ts'
import { functionName, qualified } from './names.ts'
import { type CaptureProblem, modelProblem, modelWarnings, rightsProblem, serverProblems } from './suitability.ts'

/** What has to be done so that exactly the wanted models are captured. */
export interface CapturePlan {
  /** By table, in the order in which they are applied. */
  readonly steps: readonly CaptureStep[]
  /** With any of these, nothing is applied. */
  readonly problems: readonly CaptureProblem[]
  readonly warnings: readonly string[]
}

export interface CaptureStep {
  readonly action: 'create' | 'replace' | 'drop' | 'keep'
  readonly identity: string
  /** Quoted and qualified; null when the table is gone. */
  readonly table: string | null
  /** Of our `captured_table`. */
  readonly tableId: number
  readonly reason: string
  /** To be run in one transaction. None for `keep`. */
  readonly statements: readonly string[]
}

export interface CaptureRequest {
  /** All models that are to be captured; any other is not to be. */
  readonly models: Models
  /** By model identity; a model without a table is absent. */
  readonly shapes: ReadonlyMap<string, TableShape>
  readonly installed: InstalledCapture
  readonly options: CaptureOptions
}

/** Pure: compares what is wanted with what is installed. Throws `E_OPTIONS` as {@link redactedColumns} does. */
export function planCapture(request: CaptureRequest): CapturePlan {
  const { models, installed, options } = request
  const redacted = redactedColumns(models, { options: options.models })
  const planned = [...models.values()].map((model, index) =>
    planModel(model, redacted.get(model.identity) ?? new Set(), request, installed.nextId + index),
  )
  const unwanted = installed.captured.filter(({ identity }) => !models.has(identity))
  const parts = [...planned, ...unwanted.map(captured => planDrop(captured, request))]
  const steps = parts.flatMap(({ step }) => step ?? [])
  return {
    steps: steps.sort((a, b) => a.oid - b.oid).map(({ oid: _, ...step }) => step),
    problems: [...serverProblems(installed), ...parts.flatMap(({ problem }) => problem ?? [])],
    warnings: parts.flatMap(({ warnings }) => warnings),
  }
}

/** Steps that still have to be taken. */
export const pendingSteps = ({ steps }: CapturePlan): CaptureStep[] => steps.filter(({ action }) => action !== 'keep')

/** The plan that takes every capture of ours away, whatever the models are. */
export function planRemoval(installed: InstalledCapture, schema: string): CapturePlan {
  const parts = installed.captured.map(captured => planDrop(captured, { installed, options: { schema } }))
  return {
    steps: parts
      .flatMap(({ step }) => step ?? [])
      .sort((a, b) => a.oid - b.oid)
      .map(({ oid: _, ...step }) => step),
    problems: [...serverProblems(installed), ...parts.flatMap(({ problem }) => problem ?? [])],
    warnings: [],
  }
}

interface Part {
  /** `oid` gives the order: every process that installs takes its locks in the same one. */
  readonly step: (CaptureStep & { readonly oid: number }) | null
  readonly problem: CaptureProblem | null
  readonly warnings: readonly string[]
}

function planModel(model: Model, redacted: ReadonlySet<string>, request: CaptureRequest, freshId: number): Part {
  const { installed, options, shapes } = request
  const shape = shapes.get(model.identity)
  const problem = modelProblem(model, shape, redacted)
  const tree = shape && installed.trees.get(shape.oid)
  if (problem || !shape || !tree) return { step: null, problem, warnings: [] }
  const captured = installed.captured.find(({ identity }) => identity === model.identity)
  const source = { model, shape, tree, redacted, options }
  const definition = defineCapture(captured?.id ?? freshId, source)
  const warnings = modelWarnings(source)
  const target: Target = { identity: model.identity, tree, definition, request }
  return { ...(captured ? planExisting(captured, target) : planCreate(target)), warnings }
}

interface Target {
  readonly identity: string
  readonly tree: TableTree
  readonly definition: CaptureDefinition
  readonly request: CaptureRequest
}

function planCreate(target: Target): Omit<Part, 'warnings'> {
  const { identity, tree, definition, request } = target
  const { root, partitions } = tree
  const needsOwner = request.options.enableAlways ?? false
  const statements = [...register(target), definition.functionSql, ...definition.triggers.flatMap(({ sql }) => sql)]
  return {
    step: { ...stepOf(target), action: 'create', reason: 'not captured yet', statements },
    problem: rightsProblem(identity, [root, ...partitions], request.installed.role, needsOwner),
  }
}

function planExisting(captured: CapturedTable, target: Target): Omit<Part, 'warnings'> {
  const { identity, definition, request, tree } = target
  const found = differences(captured, definition, tree.root)
  if (found.reasons.length === 0) {
    return { step: { ...stepOf(target), action: 'keep', reason: 'up to date', statements: [] }, problem: null }
  }
  return {
    step: {
      ...stepOf(target),
      action: 'replace',
      reason: found.reasons.join('; '),
      statements: replacement(found, target),
    },
    problem:
      rightsProblem(
        identity,
        found.drop.map(({ relation }) => relation),
        request.installed.role,
        true,
      ) ?? rightsProblem(identity, touched(found), request.installed.role, request.options.enableAlways ?? false),
  }
}

const touched = ({ create }: TriggerDifferences): Relation[] =>
  create.flatMap(({ relation, clonedTo }) => [relation, ...clonedTo])

function replacement(
  { drop, create, replaceFunction }: TriggerDifferences,
  { tree, definition, request }: Target,
): string[] {
  const { tableId, fingerprint, functionSql } = definition
  return [
    ...(replaceFunction ? [functionSql] : []),
    ...drop.map(dropTrigger),
    ...create.flatMap(({ sql }) => sql),
    `update ${qualify(request.options.schema, 'captured_table')} set relation = ${regclass(tree.root)}, definition = ${quoteText(fingerprint)} where id = ${tableId}`,
  ]
}

const stepOf = ({ identity, tree: { root }, definition: { tableId } }: Target) => ({
  identity,
  table: qualified(root),
  tableId,
  oid: root.oid,
})

/** The id is chosen by the plan, so that the plan can show what it runs; the sequence follows. */
function register({ identity, tree, definition: { tableId, fingerprint }, request }: Target): string[] {
  const table = qualify(request.options.schema, 'captured_table')
  return [
    `insert into ${table} (id, relation, identity, definition) overriding system value values (${tableId}, ${regclass(tree.root)}, ${quoteText(identity)}, ${quoteText(fingerprint)})`,
    `select pg_catalog.setval(pg_catalog.pg_get_serial_sequence(${quoteText(table)}, 'id'), ${tableId})`,
  ]
}

function planDrop(captured: CapturedTable, { installed, options }: DropContext): Part {
  const { id, identity, relation, triggers } = captured
  const droppable = triggers.filter(({ cloned }) => !cloned)
  const statements = [
    ...droppable.map(dropTrigger),
    ...(captured.function ? [`drop function ${qualify(options.schema, functionName(id))}()`] : []),
    `delete from ${qualify(options.schema, 'captured_table')} where id = ${id}`,
  ]
  return {
    step: {
      action: 'drop',
      identity,
      table: relation && qualified(relation),
      tableId: id,
      reason: relation ? 'no longer wanted' : 'its table was dropped',
      statements,
      oid: relation?.oid ?? 0,
    },
    problem: rightsProblem(
      identity,
      droppable.map(trigger => trigger.relation),
      installed.role,
      true,
    ),
    warnings: [],
  }
}

interface DropContext {
  readonly installed: InstalledCapture
  readonly options: Pick<CaptureOptions, 'schema'>
}

const dropTrigger = ({ name, relation }: { name: string; relation: Relation }) =>
  `drop trigger ${quoteName(name)} on ${qualified(relation)}`

const regclass = (relation: Relation) => `${quoteText(qualified(relation))}::pg_catalog.regclass`
