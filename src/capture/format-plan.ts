import type { CapturePlan, CaptureStep } from './plan.ts'

const MARKS = { create: '+', replace: '~', drop: '-', keep: '=', surplus: '*' } as const

/**
 * The plan as text for people: one line for each model, then what stands in the way. With `sql`, the statements as well.
 *
 * @example
 * + user  public.user  not captured yet
 */
export function formatPlan(plan: CapturePlan, { sql = false }: { readonly sql?: boolean } = {}): string {
  const width = Math.max(0, ...plan.steps.map(({ identity }) => identity.length))
  const steps = plan.steps.flatMap(step => [stepLine(step, width), ...(sql ? step.statements.map(indented) : [])])
  const problems = plan.problems.map(({ message }) => `! ${message}`)
  const warnings = plan.warnings.map(warning => `? ${warning}`)
  const lines = [...steps, ...problems, ...warnings]
  return lines.length > 0 ? lines.join('\n') : 'No model to capture.'
}

const stepLine = ({ action, identity, table, reason }: CaptureStep, width: number) =>
  `${MARKS[action]} ${identity.padEnd(width)}  ${table ?? '(no table)'}  ${reason}`

const indented = (statement: string) => `${statement};`.replace(/^/gm, '    ')
