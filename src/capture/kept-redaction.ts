import { quoteName } from '../db/quote.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { CapturedTable } from './installed.ts'

/**
 * Columns that the capture of a table omits. For an older version that did not record them, derived from its function.
 */
export function redactionOf({ redacted, function: fn }: CapturedTable, shape: TableShape): string[] {
  const columns = [...shape.columns.keys()]
  if (redacted) return columns.filter(column => redacted.includes(column))
  const source = fn?.source ?? ''
  const isNulled = (column: string) => source.includes(`new.${quoteName(column)} := null;`)
  const list = /from \(select (.*)\) as kept/.exec(source)?.[1]?.split(', ')
  return columns.filter(column => isNulled(column) || list?.every(kept => !kept.endsWith(`.${quoteName(column)}`)))
}
