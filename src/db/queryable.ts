import type pg from 'pg'

/** The connection interface that catalog reads and plans need. */
export interface Queryable {
  // biome-ignore lint/suspicious/noExplicitAny: the rows of a hand-written query have the shape that the caller gave it
  query<Row extends pg.QueryResultRow = any>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>
}
