import { qualify, quoteName } from '../db/quote.ts'
import type { CapturedTable, InstalledCapture, InstalledTrigger, PublishingNode } from './installed.ts'
import { functionName, qualified } from './names.ts'
import type { PlanPart } from './step.ts'
import { rightsProblem } from './suitability.ts'

interface RemovalContext {
  readonly installed: Pick<InstalledCapture, 'role' | 'nodes'>
  readonly schema: string
}

/** Capture that no model uses is kept, unless it is to be pruned and no running process publishes it. */
export function planSurplus(
  captured: CapturedTable,
  reason: string,
  prune: boolean,
  context: RemovalContext,
): PlanPart {
  const user = prune ? context.installed.nodes.find(publishes(captured)) : undefined
  if (prune && !user) return planDrop(captured, reason, context)
  const kept = user ? `${reason}; kept because ${nameOf(user)} publishes it` : `${reason}; kept until it is pruned`
  return { step: { ...stepOf(captured), action: 'surplus', reason: kept, statements: [] }, problem: null, warnings: [] }
}

/** An older version does not report what it publishes, so it may publish anything. */
const publishes =
  ({ id, relation }: CapturedTable) =>
  ({ captured }: PublishingNode) =>
    relation !== null && (captured === null || captured.includes(id))

const nameOf = ({ host, pid, captured }: PublishingNode) =>
  captured === null ? `process ${pid} on ${host} runs an older version and perhaps` : `process ${pid} on ${host}`

export function planDrop(captured: CapturedTable, reason: string, { installed, schema }: RemovalContext): PlanPart {
  const droppable = captured.triggers.filter(({ cloned }) => !cloned)
  const statements = [...droppable.map(dropTrigger), ...forgetCapture(captured, schema)]
  const relations = droppable.map(({ relation }) => relation)
  return {
    step: { ...stepOf(captured), action: 'drop', reason, statements },
    problem: rightsProblem(captured.identity, relations, installed.role, true),
    warnings: [],
  }
}

/** Removes what remains after the triggers. */
export const forgetCapture = ({ id, function: fn }: CapturedTable, schema: string): string[] => [
  ...(fn ? [`drop function ${qualify(schema, functionName(id))}()`] : []),
  `delete from ${qualify(schema, 'captured_table')} where id = ${id}`,
]

export const dropTrigger = ({ name, relation }: InstalledTrigger) =>
  `drop trigger ${quoteName(name)} on ${qualified(relation)}`

const stepOf = ({ id, identity, relation }: CapturedTable) => ({
  identity,
  table: relation && qualified(relation),
  tableId: id,
  oid: relation?.oid ?? 0,
})
