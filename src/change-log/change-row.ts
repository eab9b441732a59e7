import type { LoggedChange } from './change.ts'
import type { TickRange } from './tick.ts'

/** A row of the change log as node-postgres returns it. */
export interface ChangeRow {
  seq: string
  xid: string
  table_id: number
  operation: 'I' | 'U' | 'D' | 'T' | 'G'
  old: string | null
  new: string | null
  origin: string | null
  annotations: string | null
  at: string
  defect: string | null
  nested: boolean
  running_bytes?: string
}

const OPERATIONS: Record<ChangeRow['operation'], LoggedChange['operation']> = {
  I: 'insert',
  U: 'update',
  D: 'delete',
  T: 'truncate',
  G: 'gap',
}

export function toChange({ epoch, to }: TickRange, row: ChangeRow): LoggedChange {
  const isEarlier = [row.old, row.new].some(text => text !== null && !isObjectOfTexts(text))
  return {
    cursor: { epoch, tick: to.id, seq: BigInt(row.seq) },
    xid: row.xid,
    tableId: row.table_id,
    operation: OPERATIONS[row.operation],
    old: isEarlier ? null : row.old,
    new: isEarlier ? null : row.new,
    origin: row.origin,
    annotations: row.annotations,
    at: new Date(Number(row.at)),
    defect: row.defect ?? (isEarlier ? EARLIER_FORMAT : null),
    nested: row.nested,
  }
}

const EARLIER_FORMAT = 'logged by an earlier version of this package'

/**
 * Earlier versions wrote `row_to_json`, which has no spaces. Its texts differ from those of the types, so they are not
 * decoded. A column name may contain any text, but cannot end the pattern early.
 */
const isObjectOfTexts = (text: string) => /^\{"(?:[^"\\]|\\.)*" : (?:"|null)/.test(text)
