import type { Message } from './message.ts'

// biome-ignore lint/suspicious/noExplicitAny: records of the app
export type Row = Record<string, any>

/**
 * Whether only the server knows which records the list at this path has, and in which order: the path filters or sorts, or the
 * list is at its limit. Blueprints have the default 30.
 */
export const isSelection = (path: string, rows: unknown): boolean =>
  /[?&](?!limit|populate=)/.test(path) || (rows as Row[])?.length >= +(/limit=(\d+)/.exec(path)?.[1] ?? 30)

/**
 * The list as the server would answer after this message, in any order. Undefined if only the server knows: the list is
 * filtered, at its limit, or contains populated records, and the message may affect that.
 */
export const applied = (
  rows: Row[],
  [event, { verb, id, data, attribute }]: Message,
  path: string,
  model: string | undefined,
): Row[] | undefined => {
  const values = rows.map(Object.values).flat(2)
  if (values.some(each => each?.id === id) || (event === model && isSelection(path, rows))) return undefined
  if (event !== model) return rows
  const row = rows.find(each => each.id === id)
  const others = rows.filter(each => each !== row)
  if (/ated$/.test(verb)) {
    // Created, updated. A reference is an id in some lists, and a record in others.
    const next: Row = { ...row, ...data }
    const names = Object.keys({ ...rows[0], ...next })
    const isAlike = names.every(name => rows.some(each => typeof each[name] === typeof next[name]))
    return isAlike ? [...others, next] : undefined
  }
  if (!row) return rows
  if (verb === 'destroyed') return others
  return (attribute as string) in row ? undefined : rows
}
