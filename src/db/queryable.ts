import type pg from 'pg'

/** What a catalog read or a plan needs of a connection. */
export interface Queryable {
  // biome-ignore lint/suspicious/noExplicitAny: the rows of a hand-written query have the shape that the caller gave it
  query<Row extends pg.QueryResultRow = any>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>
}
