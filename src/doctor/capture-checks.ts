import type { CaptureStep } from '../capture/plan.ts'
import { groupSteps, type StepGroup } from '../capture/step-group.ts'
import { quoteName } from '../db/quote.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { FormatCommand } from '../printed-command.ts'
import type { Finding } from './finding.ts'
import type { Inspection, ModelState } from './inspection.ts'

/** Finds mismatches between models, tables and triggers. */
export function checkCapture({ schema, plan, models, formatCommand }: Inspection): Finding[] {
  return [
    ...migrations(schema, plan.migrations, formatCommand),
    ...plan.capture.problems.map(
      ({ code, message }): Finding => ({ check: PROBLEMS[code] ?? 'model', severity: 'error', message }),
    ),
    ...groupSteps(plan.capture.steps).flatMap(group => drift(group, formatCommand)),
    ...plan.capture.warnings.map((message): Finding => ({ check: 'capture', severity: 'warning', message })),
    ...models.flatMap(missingColumns),
    ...models.flatMap(ignoredSchemaName),
  ]
}

const PROBLEMS: Partial<Record<string, string>> = { E_PRIVILEGE: 'rights', E_VERSION: 'version', E_OPTIONS: 'settings' }

function migrations(schema: string, pending: readonly string[], formatCommand: FormatCommand): Finding[] {
  if (pending.length === 0) return []
  const message = `Our schema "${schema}" is missing or outdated: it lacks ${pending.join(', ')}. Listeners cannot start until it is installed.`
  return [{ check: 'schema', severity: 'error', message, repair: { command: formatCommand('install') } }]
}

/** Derives drift from the installation plan, which lists all differences from the wanted capture. */
function drift({ action, reason, steps }: StepGroup, formatCommand: FormatCommand): Finding[] {
  if (action === 'keep') return []
  const [first] = steps
  if (action === 'surplus') {
    const tables =
      steps.length === 1
        ? `${first.table ?? 'A dropped table'} is captured as model \`${first.identity}\`: ${reason}. It slows down`
        : `${steps.length} models are captured: ${reason} (${identities(steps)}). This slows down`
    const message = `${tables} writes to ${steps.length === 1 ? 'it' : 'their tables'}; if another app uses this schema, give each app its own schema.`
    return [{ check: 'surplus', severity: 'warning', message, repair: { command: formatCommand('install --prune') } }]
  }
  const subject =
    steps.length === 1
      ? `Model \`${first.identity}\` (${first.table}): ${reason}`
      : `${steps.length} models: ${reason} (${identities(steps)})`
  const follows =
    action === 'create'
      ? `none of ${steps.length === 1 ? 'its' : 'their'} changes are captured`
      : 'changes may be missing, or contain redacted columns'
  const repair = { sql: steps.flatMap(({ statements }) => statements), command: formatCommand('install') }
  return [{ check: 'triggers', severity: 'error', message: `${subject}; ${follows}.`, repair }]
}

const identities = (steps: readonly CaptureStep[]) =>
  steps
    .map(({ identity }) => identity)
    .sort()
    .join(', ')

/** As after a column was renamed: `findOne` fails, and published records lack the attribute. */
function missingColumns({ model, shape }: ModelState): Finding[] {
  if (!shape) return []
  const spare = spareColumns({ model, shape })
  const missing = [...model.attributes.values()].filter(({ column }) => !shape.columns.has(column))
  return missing.map(({ name, column }): Finding => {
    const message = `Model \`${model.identity}\`: its attribute \`${name}\` has no column ${quoteName(column)} in ${tableOf(shape)}`
    const [candidate] = spare
    if (candidate === undefined || spare.length > 1 || missing.length > 1) {
      return {
        check: 'column',
        severity: 'error',
        message: `${message}. Create the column, or correct the attribute's columnName.`,
      }
    }
    return {
      check: 'column',
      severity: 'error',
      message: `${message}, but there is ${quoteName(candidate)}, which no attribute uses. If it was renamed, set columnName: '${candidate}', or rename it back.`,
      repair: { sql: [`alter table ${tableOf(shape)} rename column ${quoteName(candidate)} to ${quoteName(column)}`] },
    }
  })
}

function spareColumns({ model, shape }: { model: ModelState['model']; shape: TableShape }): string[] {
  const taken = new Set([...model.attributes.values()].map(({ column }) => column))
  return [...shape.columns.keys()].filter(column => !taken.has(column))
}

/** sails-postgresql uses only the schemaName of the datastore. */
function ignoredSchemaName({ model, ownSchemaName, shape, elsewhere }: ModelState): Finding[] {
  const ignored = ownSchemaName !== undefined && ownSchemaName !== model.schema
  if (ignored) {
    const message = `Model \`${model.identity}\`: its meta.schemaName '${ownSchemaName}' is ignored by Waterline, which reads and writes ${quoteName(model.schema)}.${quoteName(model.table)}. Use a separate datastore with schemaName: '${ownSchemaName}'.`
    return [{ check: 'schema-name', severity: shape ? 'warning' : 'error', message }]
  }
  if (shape || elsewhere.length === 0) return []
  const message = `Model \`${model.identity}\`: there is a table "${model.table}" in the schema ${elsewhere.map(quoteName).join(', ')}, which Waterline does not search. Set schemaName of its datastore '${model.datastore}'.`
  return [{ check: 'schema-name', severity: 'error', message }]
}

const tableOf = ({ schema, name }: TableShape) => `${quoteName(schema)}.${quoteName(name)}`
