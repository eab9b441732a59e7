import { groupBy } from '../composite-key.ts'
import type { CaptureStep } from './step.ts'

/** Steps with the same action and reason, so that a plan for many models needs few lines. */
export interface StepGroup {
  readonly action: CaptureStep['action']
  readonly reason: string
  readonly steps: readonly [CaptureStep, ...CaptureStep[]]
}

/** In the order of the first step of each group. */
export function groupSteps(steps: readonly CaptureStep[]): StepGroup[] {
  const groups = groupBy(steps, ({ action, reason }) => [action, reason])
  return groups.map(group => ({ action: group[0].action, reason: group[0].reason, steps: group }))
}
