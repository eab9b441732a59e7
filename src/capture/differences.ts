import type { CaptureDefinition, TriggerDefinition } from './definition.ts'
import type { CapturedTable, InstalledTrigger, Relation } from './installed.ts'
import { qualified } from './names.ts'

/** What has to change on an installed capture. Triggers that are as they should be are left alone: they cost a lock. */
export interface TriggerDifferences {
  readonly reasons: readonly string[]
  readonly replaceFunction: boolean
  readonly drop: readonly InstalledTrigger[]
  readonly create: readonly TriggerDefinition[]
}

export function differences(
  captured: CapturedTable,
  definition: CaptureDefinition,
  root: Relation,
): TriggerDifferences {
  const functionReason = functionDifference(captured, definition)
  const faults = definition.triggers.map(wanted => ({ wanted, reason: triggerDifference(wanted, captured.triggers) }))
  const wrong = faults.filter(({ reason }) => reason !== null)
  const surplus = captured.triggers.filter(found => !found.cloned && !definition.triggers.some(isSame(found)))
  const stale = captured.triggers.filter(found => !found.cloned && wrong.some(({ wanted }) => isSame(found)(wanted)))
  const reasons = [
    movedReason(captured, root),
    functionReason,
    ...wrong.map(({ reason }) => reason),
    ...surplus.map(found => `surplus trigger on ${qualified(found.relation)}`),
    captured.definition === definition.fingerprint ? null : 'recorded definition differs',
  ].filter(reason => reason !== null)
  return {
    reasons: [...new Set(reasons)],
    replaceFunction: functionReason !== null,
    drop: [...surplus, ...stale],
    create: wrong.map(({ wanted }) => wanted),
  }
}

const isSame = (found: InstalledTrigger) => (wanted: TriggerDefinition) =>
  wanted.name === found.name && wanted.relation.oid === found.relation.oid

function movedReason({ relation }: CapturedTable, root: Relation): string | null {
  if (!relation) return 'its table was dropped and created again'
  return relation.oid === root.oid ? null : `the model's table is no longer ${qualified(relation)}`
}

function functionDifference({ function: found }: CapturedTable, wanted: CaptureDefinition): string | null {
  if (!found) return 'the function is missing'
  if (found.source !== wanted.functionBody) return 'the function differs'
  const settings = [...wanted.functionSettings].map(([name, value]) => `${name}=${value}`)
  const sameSettings = settings.toSorted().join('\n') === found.settings.toSorted().join('\n')
  return sameSettings && found.securityDefiner ? null : 'the function was altered'
}

function triggerDifference(wanted: TriggerDefinition, installed: readonly InstalledTrigger[]): string | null {
  const on = (relation: Relation) =>
    installed.find(({ name, relation: { oid } }) => name === wanted.name && oid === relation.oid)
  const places = [wanted.relation, ...wanted.clonedTo]
  const missing = places.find(relation => !on(relation))
  if (missing) return `a trigger is missing on ${qualified(missing)}`
  const altered = places.find(relation => isAltered(wanted, on(relation)))
  return altered ? `a trigger on ${qualified(altered)} is disabled or altered` : null
}

const isAltered = (wanted: TriggerDefinition, found: InstalledTrigger | undefined) =>
  found?.type !== wanted.type || found.conditional !== wanted.conditional || found.enabled !== wanted.enabled
