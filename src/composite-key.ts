/** A key of a map for several values. Two keys are the same if each value has the same text as the other key's. */
export const compositeKey = (...values: readonly unknown[]): string => JSON.stringify(values.map(String))

/** Items with the same values, in the order of the first of each group. */
export function groupBy<Item>(
  items: Iterable<Item>,
  valuesOf: (item: Item) => readonly unknown[],
): [Item, ...Item[]][] {
  const groups = new Map<string, [Item, ...Item[]]>()
  for (const item of items) {
    const key = compositeKey(...valuesOf(item))
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return [...groups.values()]
}
