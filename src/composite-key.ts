/** A map key for several values. Keys are equal if the texts of all values are. */
export const compositeKey = (...values: readonly unknown[]): string => JSON.stringify(values.map(String))

/** Groups items with equal values, in the order of each group's first item. */
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
