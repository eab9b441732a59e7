import type { Cursor } from './cursor.ts'

export type Operation = 'insert' | 'update' | 'delete' | 'truncate'

/** One change as the change log holds it: a row inserted, updated or deleted, or a table truncated. */
export interface LoggedChange {
  readonly cursor: Cursor
  /** Top-level transaction id (xid8, decimal): the same for all changes of one transaction. */
  readonly xid: string
  /** Key of the captured table in our `captured_table`; stable over renames, partitions, dump and restore. */
  readonly tableId: number
  /** `gap`: no change, but the place up to which changes of the table may be missing, as its capture was off. */
  readonly operation: Operation | 'gap'
  /** Whether a trigger made it: then it may be logged before a change that happened earlier. */
  readonly nested: boolean
  /** The row before as a JSON object of texts, null for insert and truncate. Redacted columns are not in it. */
  readonly old: string | null
  /** The row after, null for delete and truncate. */
  readonly new: string | null
  /** The transaction's `changefeed.origin`, or null. */
  readonly origin: string | null
  /** The transaction's `changefeed.annotations`, or null. */
  readonly annotations: string | null
  /** When the row changed (clock of the database server). */
  readonly at: Date
  /**
   * Null for a whole change. Otherwise the row could not be logged or cannot be read (too large, bytes without a UTF-8
   * form, an earlier format): the text is the reason, and `old`/`new` hold only the primary key, or are null.
   * Of a `gap` it is what was wrong with capture.
   */
  readonly defect: string | null
}

/** A change whose row was logged as a whole. */
export type LoggedRow = LoggedChange & { readonly operation: Operation; readonly defect: null }

export const isWhole = (change: LoggedChange): change is LoggedRow =>
  change.defect === null && change.operation !== 'gap'
