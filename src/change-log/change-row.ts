import type { LoggedChange } from './change.ts'
import type { TickRange } from './tick.ts'

/** A row of the change log as node-postgres hands it over. */
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
  return {
    cursor: { epoch, tick: to.id, seq: BigInt(row.seq) },
    xid: row.xid,
    tableId: row.table_id,
    operation: OPERATIONS[row.operation],
    old: row.old,
    new: row.new,
    origin: row.origin,
    annotations: row.annotations,
    at: new Date(Number(row.at)),
    defect: row.defect,
    nested: row.nested,
  }
}
