import type { CaptureDefinition, TriggerDefinition } from './definition.ts'
import type { CapturedTable, InstalledTrigger, Relation, TableTree } from './installed.ts'
import { qualified } from './names.ts'

/** Differences between installed and wanted capture. Correct triggers are kept, since replacing one requires a lock. */
export interface TriggerDifferences {
  readonly reasons: readonly string[]
  readonly replaceFunction: boolean
  readonly drop: readonly InstalledTrigger[]
  readonly create: readonly TriggerDefinition[]
  /** Whether changes may be missing from the log. */
  readonly wasOff: boolean
}

export function differences(
  captured: CapturedTable,
  definition: CaptureDefinition,
  { inherits }: Pick<TableTree, 'inherits'>,
): TriggerDifferences {
  const functionReason = functionDifference(captured, definition)
  const faults = definition.triggers.map(wanted => ({ wanted, reason: triggerDifference(wanted, captured.triggers) }))
  const wrong = faults.filter(({ reason }) => reason !== null)
  const surplus = captured.triggers.filter(found => !found.cloned && !definition.triggers.some(isSame(found)))
  const stale = captured.triggers.filter(found => !found.cloned && wrong.some(({ wanted }) => isSame(found)(wanted)))
  const isAsRecorded = captured.definition === definition.fingerprint
  const reasons = [
    functionReason,
    ...wrong.map(({ reason }) => reason),
    ...surplus.map(found => `surplus trigger on ${qualified(found.relation)}`),
    isAsRecorded ? null : 'recorded definition differs',
  ].filter(reason => reason !== null)
  return {
    reasons: [...new Set(reasons)],
    replaceFunction: functionReason !== null,
    drop: [...surplus, ...stale],
    create: wrong.map(({ wanted }) => wanted),
    wasOff:
      !captured.function ||
      !isComplete(captured) ||
      (inherits && !seesEachRow(captured)) ||
      (isAsRecorded && (functionReason !== null || wrong.some(mattered(captured)))),
  }
}

const ALL_EVENTS = 4 | 8 | 16 | 32 // insert, delete, update, truncate; as in pg_trigger.tgtype

/** Whether triggers fired for every change, whatever the options were. */
function isComplete({ triggers, relation: root }: CapturedTable): boolean {
  const fires = ({ enabled }: InstalledTrigger) => enabled === 'O' || enabled === 'A'
  const own = triggers.filter(({ relation }) => relation.oid === root?.oid)
  const events = own.reduce((all, { type }) => all | type, 0)
  return triggers.every(fires) && (events & ALL_EVENTS) === ALL_EVENTS
}

/** Triggers for statements miss writes through the table that this one was attached to. */
const seesEachRow = ({ triggers }: CapturedTable) => triggers.some(({ type }) => (type & 1) === 1)

/** A partition newer than its capture misses only TRUNCATE of that partition, which is documented. */
const mattered =
  ({ triggers, relation: root }: CapturedTable) =>
  ({ wanted }: { wanted: TriggerDefinition }) =>
    wanted.relation.oid === root?.oid || triggers.some(found => isSame(found)(wanted))

const isSame = (found: InstalledTrigger) => (wanted: TriggerDefinition) =>
  wanted.name === found.name && wanted.relation.oid === found.relation.oid

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
