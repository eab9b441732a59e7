import { NAME_BYTES_MAX, storedName } from '../db/stored-name.ts'

/**
 * The names in `others` that are equal to `name` in Postgres, which truncates names to {@link NAME_BYTES_MAX} bytes.
 */
export const clashing = (name: string, others: Iterable<string>): string[] => [
  ...new Set([...others].filter(other => other !== name && storedName(other) === storedName(name))),
]

/** A sentence for each group of column names that are one column in Postgres. */
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
