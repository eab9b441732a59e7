import type { CapturePlan, CaptureStep } from './plan.ts'

const MARKS = { create: '+', replace: '~', drop: '-', keep: '=', surplus: '*' } as const

/**
 * Formats the plan as text: a line per model, then the problems.
 *
 * @example
 * + user  public.user  not captured yet
 */
export function formatPlan({ steps, problems, warnings }: CapturePlan): string {
  const width = Math.max(0, ...steps.map(({ identity }) => identity.length))
  const lines = [
    ...steps.map(step => stepLine(step, width)),
    ...problems.map(({ message }) => `! ${message}`),
    ...warnings.map(warning => `? ${warning}`),
  ]
  return lines.length > 0 ? lines.join('\n') : 'No model to capture.'
}

const stepLine = ({ action, identity, table, reason }: CaptureStep, width: number) =>
  `${MARKS[action]} ${identity.padEnd(width)}  ${table ?? '(no table)'}  ${reason}`
