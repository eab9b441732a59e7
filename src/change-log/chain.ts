import type { LoggedChange } from './change.ts'

/**
 * Puts the changes of one record in the order in which they happened, where the log has them otherwise. An AFTER ROW
 * trigger of the app that writes to its own table is done with that write before our trigger has seen the rest of the
 * outer statement, so a record can be logged new first, old second. The images tell: each change begins with what the
 * former one ended with.
 *
 * Looks at one page, and within it at one transaction and record at a time (`recordOf` gives the record's key, null to
 * leave a change alone). A record takes only the places that it had before; where its images do not make one chain, it
 * stays as it was.
 */
export function chained(
  page: readonly LoggedChange[],
  recordOf: (change: LoggedChange) => string | null,
): readonly LoggedChange[] {
  if (!hasLateBeginning(page)) return page
  const places = new Map<string, number[]>()
  page.forEach((change, place) => {
    const record = recordOf(change)
    if (record === null) return
    const key = `${change.xid} ${change.tableId} ${record}`
    places.set(key, [...(places.get(key) ?? []), place])
  })
  const disordered = [...places.values()].filter(list => list.length > 1 && !isChain(list.map(at => page[at])))
  if (disordered.length === 0) return page
  const ordered = [...page]
  for (const list of disordered) {
    chainOf(list.flatMap(at => page[at] ?? [])).forEach((change, index) => {
      ordered[list[index] ?? 0] = change
    })
  }
  return ordered
}

/** Whether a change begins with an image that only a later change of its transaction ends with; a glance, as most pages have none. */
function hasLateBeginning(page: readonly LoggedChange[]): boolean {
  const firstEnd = new Map<string, number>()
  page.forEach(({ xid, new: image }, place) => {
    const key = `${xid} ${image}`
    if (image !== null && !firstEnd.has(key)) firstEnd.set(key, place)
  })
  return page.some(({ xid, old }, place) => old !== null && (firstEnd.get(`${xid} ${old}`) ?? -1) > place)
}

const isChain = (changes: readonly (LoggedChange | undefined)[]) =>
  changes.every((change, index) => index === 0 || change?.old === changes[index - 1]?.new)

/** Begins with the change that no other leads to; ties go to the one logged first. */
function chainOf(changes: readonly LoggedChange[]): readonly LoggedChange[] {
  const left = [...changes]
  const ordered: LoggedChange[] = []
  const start = left.findIndex(change => !left.some(other => other !== change && other.new === change.old))
  let next = Math.max(start, 0)
  while (next >= 0) {
    const [change] = left.splice(next, 1)
    if (!change) break
    ordered.push(change)
    next = left.findIndex(candidate => candidate.old === change.new)
  }
  return left.length === 0 ? ordered : changes
}
