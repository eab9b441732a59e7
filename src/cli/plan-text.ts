import type { CapturePlan, CaptureStep } from '../capture/plan.ts'
import { groupSteps, type StepGroup } from '../capture/step-group.ts'
import type { InstallationPlan } from '../installation.ts'
import { colours } from './colours.ts'
import { wrap } from './line-width.ts'
import { count } from './terminal.ts'

const TO_DO = { create: 'to capture', replace: 'to update', drop: 'to remove', migrations: 'to run' }
const DONE = { create: 'captured', replace: 'updated', drop: 'removed', migrations: 'run' }

/** Summarizes pending or completed work in one line: `3 tables to capture, 29 already installed, 0 problems.` */
export function summarizePlan({ migrations, capture }: InstallationPlan, { done = false } = {}): string {
  const { problems, warnings } = capture
  const parts = [
    ...countTables(capture, done ? DONE : TO_DO),
    count(problems.length, 'problem'),
    ...(warnings.length > 0 ? [count(warnings.length, 'warning')] : []),
  ]
  const schema = count(migrations.length, 'migration')
  const own = migrations.length > 0 ? ` Our schema: ${schema} ${(done ? DONE : TO_DO).migrations}.` : ''
  return `${parts.join(', ')}.${own}`
}

/** Counts the tables by action: `3 tables to capture`, `29 already installed`. */
export function countTables({ steps }: CapturePlan, words = TO_DO): string[] {
  const number = (action: CaptureStep['action']) => steps.filter(step => step.action === action).length
  const parts = [
    `${count(number('create'), 'table')} ${words.create}`,
    number('replace') > 0 && `${number('replace')} ${words.replace}`,
    number('drop') > 0 && `${number('drop')} ${words.drop}`,
    `${number('keep')} already installed`,
    number('surplus') > 0 && `${number('surplus')} that no model uses`,
  ]
  return parts.filter(part => part !== false)
}

const MARKS = { create: '+', replace: '~', drop: '-', surplus: '*', keep: '=' } as const

/** Lists the tables by action and reason, then problems and warnings. */
export function listPlan({ capture: { steps, problems, warnings } }: InstallationPlan, columns: number): string[] {
  const groups = groupSteps(steps).map(group => `${MARKS[group.action]} ${group.reason}: ${names(group)}`)
  return [
    ...groups.map(text => wrap(text, columns, INDENT)),
    ...problems.map(({ message }) => wrap(`${colours.red('!')} ${message}`, columns, INDENT)),
    ...warnings.map(message => wrap(`${colours.yellow('?')} ${message}`, columns, INDENT)),
  ]
}

const INDENT = '  '

const names = ({ steps }: StepGroup) => steps.map(describeTable).sort().join(', ')

/** Includes the table if its name differs from the model's. */
export const describeTable = ({ identity, table }: CaptureStep) =>
  table === `"public"."${identity}"` ? identity : `${identity} (${table ?? 'its table was dropped'})`

/** The statements, below a comment that describes them. */
export function listStatements(title: string, statements: readonly string[]): string[] {
  if (statements.length === 0) return []
  return [colours.bold(`-- ${title}`), ...statements.map(statement => `${statement};`.replace(/^/gm, '    '))]
}
