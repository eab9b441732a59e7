import type { Message } from './message.ts'

// biome-ignore lint/suspicious/noExplicitAny: records of the app
export type Row = Record<string, any>

/** The limit of the list at this path. Blueprints have the default 30. */
export const limitOf = (path: string): number => Number(/limit=(\d+)/.exec(path)?.[1] ?? 30)

/** The model of the list at this path, if it has one part: `user` of `/user?limit=100`. */
export const modelOf = (path: string): string | undefined => path.split(/\W/)[1]

/**
 * The list as the server would answer after this message. Undefined if only the server knows: the list is filtered, at its
 * limit, or contains populated records, and the message may affect that.
 */
export function applied(
  rows: Row[],
  [event, { verb, id, data, attribute }]: Message,
  path: string,
  model: string | undefined,
): Row[] | undefined {
  if (event !== model)
    return rows
      .flatMap(Object.values)
      .flat()
      .some(each => each?.id === id)
      ? undefined
      : rows
  if (/[?&](?!limit)/.test(path) || (verb !== 'updated' && rows.length >= limitOf(path))) return undefined
  const row = rows.find(each => each.id === id)
  if (/ated$/.test(verb)) return withRow(rows, { ...row, ...data }) // created, updated
  if (!row) return rows
  if (verb === 'destroyed') return rows.filter(each => each !== row)
  return (attribute as string) in row ? undefined : rows
}

/** Lists are in the order of their ids. A reference is an id in some lists, and a record in others. */
function withRow(rows: Row[], row: Row): Row[] | undefined {
  const names = Object.keys(row)
  const isAlike = names.every(name => rows.some(each => typeof each[name] === typeof row[name]))
  if (!isAlike || names.length !== Object.keys(rows[0] ?? 0).length) return undefined
  return [...rows.filter(({ id }) => id !== row.id), row].sort((a, b) => (a.id < b.id ? -1 : 1))
}
