import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { type Position, storedPosition } from './position.ts'
import { snapshotBounds } from './snapshot.ts'

/** How far a reader is behind the committed changes. */
export interface Lag {
  readonly changes: number
  /** True if there are more than `changes`, since counting stops at a limit. */
  readonly orMore: boolean
  /** Age of the oldest pending change, on the database server's clock; 0 if there is none. */
  readonly seconds: number
}

const COUNTED = 100_000

/** The lag behind the stored position, which is updated once a second. */
export async function readStoredLag(db: Database): Promise<Lag> {
  return await readLag(db, (await storedPosition(db, 0)) ?? BEFORE_ALL)
}

/** Transaction ids start at 3. */
export const BEFORE_ALL: Position = { epoch: 0, tick: { id: 0n, snapshot: '2:2:' } }

/** A condition that excludes the published part of a partially published tick. */
export function withoutPartial(tick: RawBuilder<unknown>, partial: Position['partial']): RawBuilder<unknown> {
  if (!partial) return sql``
  return sql`and not (seq <= ${String(partial.seq)}::bigint and pg_catalog.pg_visible_in_snapshot(xid,
    (select snapshot from ${tick} where id = ${String(partial.tick)}::bigint)))`
}

export async function readLag({ kysely, our }: Database, { tick, partial }: Position): Promise<Lag> {
  const { xmax, running } = snapshotBounds(tick.snapshot)
  const left = withoutPartial(our('tick'), partial)
  const { rows } = await sql<{ changes: string; seconds: number | null }>`
    select count(*) as changes,
      greatest(0, extract(epoch from clock_timestamp() - min(at)))::float8 as seconds
    from (
      select at from (
        select at from ${our('change')} where xid >= ${xmax}::xid8 ${left}
        union all
        select at from ${our('change')} where xid = any(${running}::xid8[]) ${left}
      ) as behind limit ${COUNTED}
    ) as counted`.execute(kysely)
  const changes = Number(rows[0]?.changes ?? 0)
  return { changes, orMore: changes === COUNTED, seconds: changes === 0 ? 0 : Number(rows[0]?.seconds ?? 0) }
}
