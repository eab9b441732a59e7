import { quoteName } from '../db/quote.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { CapturedTable } from './installed.ts'

/** Columns of a table that its capture leaves out. An older version did not record them: then the function tells. */
export function redactionOf({ redacted, function: fn }: CapturedTable, shape: TableShape): string[] {
  const columns = [...shape.columns.keys()]
  if (redacted) return columns.filter(column => redacted.includes(column))
  const source = fn?.source ?? ''
  const isNulled = (column: string) => source.includes(`new.${quoteName(column)} := null;`)
  const list = /from \(select (.*)\) as kept/.exec(source)?.[1]?.split(', ')
  return columns.filter(column => isNulled(column) || list?.every(kept => !kept.endsWith(`.${quoteName(column)}`)))
}
