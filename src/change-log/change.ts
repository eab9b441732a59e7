import type { Cursor } from './cursor.ts'

export type Operation = 'insert' | 'update' | 'delete' | 'truncate'

/** A change in the change log: an inserted, updated or deleted row, or a truncated table. */
export interface LoggedChange {
  readonly cursor: Cursor
  /** Top-level transaction id (xid8, decimal), shared by all changes of a transaction. */
  readonly xid: string
  /** Id in `captured_table`, stable across renames, partitions, dump and restore. */
  readonly tableId: number
  /** `gap`: not a change. Capture was off, so changes of the table before this point may be missing. */
  readonly operation: Operation | 'gap'
  /** Whether a trigger made the change. Such a change may be logged before one that happened earlier. */
  readonly nested: boolean
  /** The old row as a JSON object of texts, without redacted columns; null for insert and truncate. */
  readonly old: string | null
  /** The new row; null for delete and truncate. */
  readonly new: string | null
  /** The transaction's `changefeed.origin`, or null. */
  readonly origin: string | null
  /** The transaction's `changefeed.annotations`, or null. */
  readonly annotations: string | null
  /** When the row changed, on the database server's clock. */
  readonly at: Date
  /**
   * Null for a complete change. Otherwise the reason why the row could not be logged or read (too large, bytes without
   * a UTF-8 form, an earlier format); `old` and `new` then hold only the primary key or are null. For a `gap`, what was
   * wrong with capture.
   */
  readonly defect: string | null
}

/** A change whose row was logged completely. */
export type LoggedRow = LoggedChange & { readonly operation: Operation; readonly defect: null }

export const isWhole = (change: LoggedChange): change is LoggedRow =>
  change.defect === null && change.operation !== 'gap'
