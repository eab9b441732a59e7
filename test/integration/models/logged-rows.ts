import { jsonObject, knownText } from '../../../src/capture/row-text.ts'
import { qualify } from '../../../src/db/quote.ts'
import type { TableShape } from '../../../src/db/table-shape.ts'

/** A query that returns the rows of a table as its trigger would log them, with the row as `new`, ordered by id. */
export function rowsAsLogged({ schema, name, columns }: TableShape, condition = ''): string {
  const rest = condition ? `where ${condition}` : 'order by id'
  return `select ${jsonObject([...columns.values()], 'new', knownText)} as row from ${qualify(schema, name)} as new ${rest}`
}
