import type { LoggedChange } from './change.ts'

/** A page of changes, with the changes of each record in the order in which they happened. */
export interface OrderedPage {
  readonly changes: readonly LoggedChange[]
  /** Tables with a record whose order of changes cannot be determined. */
  readonly unresolved: ReadonlySet<number>
}

/**
 * Restores the order in which the changes of a record happened. An AFTER ROW trigger of the app that writes to its own
 * table completes its write before our trigger sees the row of the outer statement, so the later change can be logged
 * first. The row images determine the order: the old image of each change is the new image of the one before.
 *
 * Works within one page, per transaction and record (`recordOf` returns the record's key, or null to skip a change).
 * The changes of a record are permuted among their own positions. If the images do not form one chain, or form a cycle
 * with two possible starts, the order is kept and the table is reported as `unresolved`.
 */
export function reorderByRowImages(
  page: readonly LoggedChange[],
  recordOf: (change: LoggedChange) => string | null,
): OrderedPage {
  const unresolved = new Set<number>()
  if (!hasLateBeginning(page)) return { changes: page, unresolved }
  const changes = [...page]
  for (const places of placesByRecord(page, recordOf)) {
    const list = places.flatMap(place => page[place] ?? [])
    const ordered = chainOf(list)
    if (!ordered) unresolved.add(list[0]?.tableId ?? 0)
    ordered?.forEach((change, index) => {
      changes[places[index] ?? 0] = change
    })
  }
  return { changes, unresolved }
}

/**
 * Whether a change starts with the new image of a later change in its transaction. A cheap check, since most pages have
 * none.
 */
function hasLateBeginning(page: readonly LoggedChange[]): boolean {
  const lastEnd = new Map(page.map(({ xid, new: image }, place) => [`${xid} ${image}`, place]))
  return page.some(({ xid, old }, place) => old !== null && (lastEnd.get(`${xid} ${old}`) ?? -1) > place)
}

/** Positions of the records that a transaction changed more than once. */
function placesByRecord(page: readonly LoggedChange[], recordOf: (change: LoggedChange) => string | null): number[][] {
  const places = new Map<string, number[]>()
  page.forEach((change, place) => {
    const record = recordOf(change)
    if (record === null) return
    const key = `${change.xid} ${change.tableId} ${record}`
    const known = places.get(key)
    if (known) known.push(place)
    else places.set(key, [place])
  })
  return [...places.values()].filter(list => list.length > 1)
}

/**
 * Starts with the change that no other change leads to, or the first logged of several. Undefined if the order is
 * ambiguous.
 */
function chainOf(changes: readonly LoggedChange[]): readonly LoggedChange[] | undefined {
  if (isChain(changes)) return mayBeginElsewhere(changes) ? undefined : changes
  const left = [...changes]
  const ordered: LoggedChange[] = []
  let next = left.findIndex(change => !left.some(other => other !== change && other.new === change.old))
  while (next >= 0) {
    const [change] = left.splice(next, 1)
    if (!change) break
    ordered.push(change)
    next = left.findIndex(candidate => candidate.old === change.new)
  }
  return left.length === 0 ? ordered : undefined
}

const isChain = (changes: readonly LoggedChange[]) =>
  changes.every((change, index) => index === 0 || change.old === changes[index - 1]?.new)

/** A trigger's write that starts with the new image of a later change may have happened after it. */
const mayBeginElsewhere = (changes: readonly LoggedChange[]) =>
  changes.some(
    (inner, place) =>
      inner.nested &&
      inner.old !== null &&
      inner.old !== inner.new &&
      changes.slice(place + 1).some(outer => outer.new === inner.old),
  )
