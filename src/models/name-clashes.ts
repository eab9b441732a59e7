import { NAME_BYTES_MAX, storedName } from '../db/stored-name.ts'

/**
 * Of the names beside `name`, those that become the same name in Postgres, which keeps {@link NAME_BYTES_MAX} bytes of
 * each.
 */
export const clashing = (name: string, others: Iterable<string>): string[] => [
  ...new Set([...others].filter(other => other !== name && storedName(other) === storedName(name))),
]

/** Each group of column names that are one column in Postgres, as a sentence about the model. */
export function columnClashes(columns: readonly string[]): string[] {
  return columns.flatMap((column, index) => {
    const later = clashing(column, columns.slice(index + 1))
    const isFirst = clashing(column, columns.slice(0, index)).length === 0
    return isFirst && later.length > 0 ? [`its columns ${quoted([column, ...later])} are one column, ${REASON}`] : []
  })
}

export function tableClashes(table: string, tables: Iterable<string>): string[] {
  const others = clashing(table, tables)
  return others.length === 0 ? [] : [`its table ${quoted([table])} is the same as ${quoted(others)}, ${REASON}`]
}

const REASON = `as PostgreSQL keeps only the first ${NAME_BYTES_MAX} bytes of a name: choose shorter names.`

const quoted = (names: readonly string[]) => names.map(name => `"${name}"`).join(', ')
