import type { LoggedChange } from './change.ts'

/** A page of changes, each record's own in the order in which they happened. */
export interface OrderedPage {
  readonly changes: readonly LoggedChange[]
  /** Tables of which the order of some record's changes cannot be known. */
  readonly unresolved: ReadonlySet<number>
}

/**
 * Puts the changes of one record in the order in which they happened, where the log has them otherwise. An AFTER ROW
 * trigger of the app that writes to its own table is done with that write before our trigger has seen the rest of the
 * outer statement, so a record can be logged new first, old second. The images tell: each change begins with what the
 * former one ended with.
 *
 * Looks at one page, and within it at one transaction and record at a time (`recordOf` gives the record's key, null to
 * leave a change alone). A record takes only the places that it had before. Where its images do not make one chain, or
 * make a circle that may begin in two places, it stays as it was and its table is `unresolved`.
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

/** Whether a change begins with an image that a later change of its transaction ends with; a glance, as most pages have none. */
function hasLateBeginning(page: readonly LoggedChange[]): boolean {
  const lastEnd = new Map(page.map(({ xid, new: image }, place) => [`${xid} ${image}`, place]))
  return page.some(({ xid, old }, place) => old !== null && (lastEnd.get(`${xid} ${old}`) ?? -1) > place)
}

/** Of records that one transaction changed more than once. */
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

/** Begins with the change that no other leads to; ties go to the one logged first. Undefined where the order is not certain. */
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

/** A trigger's write that begins where a later change ends: it may have been made after that one, and logged before it. */
const mayBeginElsewhere = (changes: readonly LoggedChange[]) =>
  changes.some(
    (inner, place) =>
      inner.nested &&
      inner.old !== null &&
      inner.old !== inner.new &&
      changes.slice(place + 1).some(outer => outer.new === inner.old),
  )
