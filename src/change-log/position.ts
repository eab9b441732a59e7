import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { snapshotBounds } from './snapshot.ts'
import { type Tick, WHOLE_TICK } from './tick.ts'

/** How far a reader has published. */
export interface Position {
  readonly epoch: number
  /** The last tick that is done as a whole. */
  readonly tick: Tick
  /** Within the tick after it: everything up to this seq is done too. */
  readonly partial?: { readonly tick: bigint; readonly seq: bigint }
  /** Something before it is missing, and the clients have not been told yet. */
  readonly gap?: Gap
}

/** `epoch`: of another history of the database. */
export type Gap = 'gap' | 'epoch'

/** The one consumer whose position is kept: whoever leads publishes for all. */
const PUBLISHER = 'publisher'

/**
 * Changes nothing when the term of this leader is over: one that was stopped and wakes up must not undo what its
 * successor did. The lock on the lease makes a successor wait until this is committed.
 */
export async function storePosition(
  { kysely }: Database,
  { tick, partial, gap }: Position,
  term: string,
): Promise<void> {
  await kysely
    .with('held', db => db.selectFrom('lease').select('term').where('term', '=', term).forShare())
    .updateTable('consumer')
    .set({
      tick: String(partial?.tick ?? tick.id),
      seq: String(partial?.seq ?? WHOLE_TICK),
      gap: gap ?? null,
      updated_at: sql`clock_timestamp()`,
    })
    .where('name', '=', PUBLISHER)
    .where(({ exists, selectFrom }) => exists(selectFrom('held').select('held.term')))
    .execute()
}

/** Null when the ticks that the stored position needs are gone: what lies between is a gap. */
export async function storedPosition(db: Database, epoch: number): Promise<Position | null> {
  const stored = await db.kysely
    .selectFrom('consumer')
    .select(['tick', 'seq', 'gap'])
    .where('name', '=', PUBLISHER)
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

/** The stored position of the present epoch. */
export async function publishedPosition(db: Database): Promise<Position | null> {
  const { epoch } = await db.kysely.selectFrom('state').select('epoch').executeTakeFirstOrThrow()
  return await storedPosition(db, epoch)
}

/** The newest tick, or the newest up to an id. */
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

/** The ticks after one, oldest first, at most `limit`. */
export async function ticksAfter({ kysely }: Database, id: bigint, limit: number): Promise<Tick[]> {
  const rows = await kysely
    .selectFrom('tick')
    .select(['id', sql<string>`snapshot::text`.as('snapshot')])
    .where('id', '>', String(id))
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(row => ({ id: BigInt(row.id), snapshot: row.snapshot }))
}

/** What the log still has. A position before `oldest` has a gap after it, as what followed may have been freed. */
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

/** Whether a change is seen by the snapshot `to` that `from` does not see. */
export async function hasChangesBetween({ kysely, our }: Database, from: string, to: string): Promise<boolean> {
  const { xmax, running } = snapshotBounds(from)
  const until = sql`pg_catalog.pg_visible_in_snapshot(xid, ${to}::pg_snapshot)`
  const { rows } = await sql<{ any: boolean }>`
    select exists (select from ${our('change')} where xid >= ${xmax}::xid8 and ${until})
      or exists (select from ${our('change')} where xid = any(${running}::xid8[]) and ${until}) as any`.execute(kysely)
  return rows[0]?.any === true
}
