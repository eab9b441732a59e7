import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'

/**
 * Identifies a change. After a crash, the server may give the id of a lost transaction to another one, and the same place to
 * one of its changes, but later.
 */
export interface ChangePlace {
  /** Top-level transaction id. */
  readonly xid: string
  readonly seq: bigint
  /** When the row changed. */
  readonly at: Date
}

/** Whether the log has all of these changes. */
export async function hasChanges({ kysely, our }: Database, changes: readonly ChangePlace[]): Promise<boolean> {
  if (changes.length === 0) return true
  const { rows } = await sql<{ all: boolean }>`
    select not exists (
      select from unnest(
        ${changes.map(({ xid }) => xid)}::xid8[],
        ${changes.map(({ seq }) => String(seq))}::bigint[],
        ${changes.map(({ at }) => at.getTime())}::bigint[]
      ) as expected (xid, seq, ms)
      where not exists (
        select from ${our('change')} as found where found.xid = expected.xid and found.seq = expected.seq
          and floor(extract(epoch from found.at) * 1000)::bigint = expected.ms
      )
    ) as all`.execute(kysely)
  return rows[0]?.all === true
}
