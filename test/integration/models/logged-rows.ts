import { jsonObject } from '../../../src/capture/row-text.ts'
import { qualify } from '../../../src/db/quote.ts'
import type { TableShape } from '../../../src/db/table-shape.ts'

/** A query for rows of a table as its trigger would log them, the row being `new`; all of them in the order of ids. */
export function rowsAsLogged({ schema, name, columns }: TableShape, condition = ''): string {
  const rest = condition ? `where ${condition}` : 'order by id'
  return `select ${jsonObject([...columns.values()], 'new')} as row from ${qualify(schema, name)} as new ${rest}`
}
