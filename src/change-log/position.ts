import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { formatCursor } from './cursor.ts'
import { snapshotBounds } from './snapshot.ts'
import { type Tick, WHOLE_TICK } from './tick.ts'

/** How far a reader has published. */
export interface Position {
  readonly epoch: number
  /** The last tick that was published completely. */
  readonly tick: Tick
  /** In the next tick, changes up to this seq were published too. */
  readonly partial?: { readonly tick: bigint; readonly seq: bigint }
  /** A gap before this position that clients have not been notified of. */
  readonly gap?: Gap
}

/** `epoch`: the missing changes belong to another history of the database. */
export type Gap = 'gap' | 'epoch'

/** The consumer that publishes to sockets: the leader, for all nodes. */
export const PUBLISHER = 'publisher'

/**
 * Stores the position, unless the leader's term has ended: a stopped process that resumes must not overwrite the
 * position of its successor. The lock on the lease makes the successor wait for the commit.
 */
export async function storePosition({ kysely }: Database, position: Position, term: string): Promise<void> {
  await kysely
    .with('held', db => db.selectFrom('lease').select('term').where('term', '=', term).forShare())
    .updateTable('consumer')
    .set(rowOf(position))
    .where('name', '=', PUBLISHER)
    .where(({ exists, selectFrom }) => exists(selectFrom('held').select('held.term')))
    .execute()
}

/** As a row of the table `consumer` holds it. */
export const rowOf = ({ tick, partial, gap }: Pick<Position, 'tick' | 'partial' | 'gap'>) => ({
  tick: String(partial?.tick ?? tick.id),
  seq: String(partial?.seq ?? WHOLE_TICK),
  gap: gap ?? null,
  updated_at: sql<Date>`clock_timestamp()`,
})

/** Null if the ticks of the stored position have been freed, which is a gap. */
export async function storedPosition(db: Database, epoch: number, consumer = PUBLISHER): Promise<Position | null> {
  const stored = await db.kysely
    .selectFrom('consumer')
    .select(['tick', 'seq', 'gap'])
    .where('name', '=', consumer)
    .executeTakeFirstOrThrow()
  const seq = BigInt(stored.seq)
  const done = seq === WHOLE_TICK
  const tick = await newestTick(db, done ? BigInt(stored.tick) : BigInt(stored.tick) - 1n)
  if (!tick) return null
  return {
    epoch,
    tick,
    ...(!done && { partial: { tick: BigInt(stored.tick), seq } }),
    ...(stored.gap && { gap: stored.gap }),
  }
}

/** The stored position, in the current epoch. */
export async function publishedPosition(db: Database): Promise<Position | null> {
  const { epoch } = await db.kysely.selectFrom('state').select('epoch').executeTakeFirstOrThrow()
  return await storedPosition(db, epoch)
}

/** The newest tick, or the newest with an id up to `upTo`. */
export async function newestTick({ kysely }: Database, upTo: bigint = WHOLE_TICK): Promise<Tick | undefined> {
  const row = await kysely
    .selectFrom('tick')
    .select(['id', sql<string>`snapshot::text`.as('snapshot')])
    .where('id', '<=', String(upTo))
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && { id: BigInt(row.id), snapshot: row.snapshot }
}

/** False if a crash of the server lost the tick, or it was freed. */
export async function hasTick(db: Database, { id, snapshot }: Pick<Tick, 'id'> & Partial<Tick>): Promise<boolean> {
  const found = await newestTick(db, id)
  return found?.id === id && (snapshot === undefined || found.snapshot === snapshot)
}

/** Up to `limit` ticks after the given one and up to `until`, oldest first. */
export async function ticksAfter(
  { kysely }: Database,
  id: bigint,
  { until, limit }: { readonly until: bigint; readonly limit: number },
): Promise<Tick[]> {
  const rows = await kysely
    .selectFrom('tick')
    .select(['id', sql<string>`snapshot::text`.as('snapshot')])
    .where('id', '>', String(id))
    .where('id', '<=', String(until))
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(row => ({ id: BigInt(row.id), snapshot: row.snapshot }))
}

/** The current epoch and the oldest tick of the log. Changes after an earlier position may have been freed. */
export async function extentOfLog({ kysely }: Database): Promise<{ epoch: number; oldest: bigint }> {
  const state = await kysely.selectFrom('state').select(['epoch', 'oldest_tick']).executeTakeFirstOrThrow()
  return { epoch: state.epoch, oldest: BigInt(state.oldest_tick) }
}

export async function currentSnapshot({ kysely }: Database): Promise<string> {
  const { rows } = await sql<{ snapshot: string }>`select pg_catalog.pg_current_snapshot()::text as snapshot`.execute(
    kysely,
  )
  return rows[0]?.snapshot ?? ''
}

/** Whether a change is visible in the snapshot `to` and not in `from`. */
export async function hasChangesBetween({ kysely, our }: Database, from: string, to: string): Promise<boolean> {
  const { xmax, running } = snapshotBounds(from)
  const until = sql`pg_catalog.pg_visible_in_snapshot(xid, ${to}::pg_snapshot)`
  const { rows } = await sql<{ any: boolean }>`
    select exists (select from ${our('change')} where xid >= ${xmax}::xid8 and ${until})
      or exists (select from ${our('change')} where xid = any(${running}::xid8[]) and ${until}) as any`.execute(kysely)
  return rows[0]?.any === true
}

/** Everything up to this cursor was published. Null without a position. */
export function cursorOf(position: Position | null): string | null {
  if (!position) return null
  const { epoch, tick, partial } = position
  return formatCursor({ epoch, tick: partial?.tick ?? tick.id, seq: partial?.seq ?? WHOLE_TICK })
}
