import { type RawBuilder, sql, type Transaction } from 'kysely'
import type { Database } from '../db/connect.ts'
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts'
import type { Tables } from '../db/tables.ts'
import { withoutPartial } from './lag.ts'
import type { Position } from './position.ts'

/** Every read of the log scans each slot, so a lower number makes ticks faster and frees changes in larger portions. */
const SLOTS = 4
/** Slots kept behind the current one. The other one is being emptied. */
const KEPT = SLOTS - 2

/** For storing the position, and for the intervals at which an idle feed creates ticks and slots are freed. */
const SLACK_SECONDS = 4

/** Length of a slot in seconds that keeps changes for at least `retentionMs`. */
export const slotSeconds = (retentionMs: number) => Math.ceil(retentionMs / 1000 / KEPT) + SLACK_SECONDS

/** Interval at which an idle feed creates ticks, in milliseconds. A slot is freed up to a tick. */
export const idleTickMs = (retentionMs: number) => slotSeconds(retentionMs) * 250

/** Sets the length of a slot. Until the ring has completed one turn, changes may be kept for longer or shorter. */
export async function setRetention({ kysely, our }: Database, retentionMs: number): Promise<void> {
  const seconds = slotSeconds(retentionMs)
  const state = kysely.selectFrom('state').select('slot_seconds')
  if ((await state.executeTakeFirstOrThrow()).slot_seconds === seconds) return
  await kysely.transaction().execute(async trx => {
    await trx.selectFrom('state').select('slot_seconds').forUpdate().execute() // concurrent updates of the function would fail
    const body = `select (pg_catalog.floor(pg_catalog.date_part('epoch', at) / ${seconds})::bigint % ${SLOTS})::smallint`
    await sql`
      create or replace function ${our('slot_of')}(at timestamptz) returns smallint
      language sql stable as ${sql.lit(body)}`.execute(trx)
    await trx.updateTable('state').set({ slot_seconds: seconds }).execute()
  })
}

/**
 * Frees the slots that will be written to next, by TRUNCATE of whole partitions; DELETE would leave dead rows for as
 * long as any snapshot is open. Never waits for a lock, and blocks others only for the statement itself: a slot in use
 * is retried later. Returns the freed slots.
 */
export async function freeOldSlots(db: Database, retentionMs: number): Promise<number[]> {
  const freed: number[] = []
  const former = await formerSlots(db)
  for (const slot of [...(await dueSlots(db)), ...former.keys()]) {
    if (await freeSlot(db, slot, retentionMs)) freed.push(slot)
    else if (former.get(slot)) await dropIfEmpty(db, slot)
  }
  return freed
}

/** Slots that an earlier version wrote to, and whether our role may drop them. */
async function formerSlots({ kysely, schema }: Database): Promise<Map<number, boolean>> {
  const { rows } = await sql<{ slot: number; owned: boolean }>`
    select pg_catalog.substr(c.relname, 8)::int as slot, pg_catalog.pg_has_role(c.relowner, 'usage') as owned
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind = 'r' and c.relname ~ '^change_[0-9]+$'`.execute(kysely)
  return new Map(rows.filter(({ slot }) => slot >= SLOTS).map(({ slot, owned }) => [slot, owned]))
}

async function dropIfEmpty(db: Database, slot: number): Promise<void> {
  const [change, tick] = [db.our(`change_${slot}`), db.our(`tick_${slot}`)]
  await withoutWaiting(db, async trx => {
    if (await holdsRows(trx, change, tick)) return
    await sql`lock table ${db.our('change')}, ${db.our('tick')} in access exclusive mode nowait`.execute(trx)
    if (!(await holdsRows(trx, change, tick))) await sql`drop table ${change}, ${tick}`.execute(trx)
  })
}

/** Undefined if another session holds the lock. */
async function withoutWaiting<T>({ kysely }: Database, work: (trx: Transaction<Tables>) => Promise<T>) {
  try {
    return await kysely.transaction().execute(work)
  } catch (error) {
    if (sqlstateOf(error) === SQLSTATE.lockNotAvailable) return
    throw error
  }
}

async function dueSlots(db: Database): Promise<number[]> {
  const present = await presentSlot(db)
  return [1, 2].map(ahead => (present + ahead) % SLOTS)
}

async function presentSlot({ kysely, our }: Database): Promise<number> {
  const { rows } = await sql<{ slot: number }>`select ${our('slot_of')}(clock_timestamp()) as slot`.execute(kysely)
  return Number(rows[0]?.slot)
}

async function freeSlot(db: Database, slot: number, retentionMs: number): Promise<boolean> {
  const change = db.our(`change_${slot}`)
  const tick = db.our(`tick_${slot}`)
  const isFreed = await withoutWaiting(db, async trx => {
    if (!(await holdsRows(trx, change, tick)) || !(await hasExpired(trx, tick, retentionMs))) return false
    const limit = await expiredTick(db, trx, retentionMs)
    if (!limit || !(await isBehind(trx, change, tick, limit))) return false
    await sql`lock table ${change}, ${tick} in access exclusive mode nowait`.execute(trx)
    if (!(await isBehind(trx, change, tick, limit))) return false
    await sql`truncate ${change}, ${tick}`.execute(trx)
    await trx.updateTable('state').set({ oldest_tick: limit.id }).where('oldest_tick', '<', limit.id).execute()
    return true
  })
  return isFreed === true
}

async function holdsRows(trx: Transaction<Tables>, ...tables: RawBuilder<unknown>[]): Promise<boolean> {
  const exists = sql.join(
    tables.map(table => sql`exists (select from ${table})`),
    sql` or `,
  )
  const { rows } = await sql<{ any: boolean }>`select ${exists} as any`.execute(trx)
  return rows[0]?.any === true
}

/** Whether the last tick of the slot is older than the retention. Reads one row, unlike {@link expiredTick}. */
async function hasExpired(trx: Transaction<Tables>, tick: RawBuilder<unknown>, retentionMs: number): Promise<boolean> {
  const { rows } = await sql<{ expired: boolean }>`
    select at < clock_timestamp() - ${retentionMs} * interval '1 millisecond' as expired
    from ${tick} order by id desc limit 1`.execute(trx)
  return rows[0]?.expired ?? true
}

/** The newest tick that was consumed and is older than the retention. Changes visible in its snapshot may be freed. */
async function expiredTick({ our }: Database, trx: Transaction<Tables>, retentionMs: number) {
  const { rows } = await sql<{ id: string; snapshot: string }>`
    select id, snapshot::text from ${our('tick')}
    where at < clock_timestamp() - ${retentionMs} * interval '1 millisecond'
      and id < (select min(tick) from ${our('consumer')})
    order by id desc limit 1`.execute(trx)
  return rows[0]
}

/**
 * Whether everything in the slot is visible in the limit's snapshot. Final once the slot is locked, so that nothing is
 * being written to it. The limit itself must not be in it.
 */
async function isBehind(
  trx: Transaction<Tables>,
  change: RawBuilder<unknown>,
  tick: RawBuilder<unknown>,
  limit: { id: string; snapshot: string },
): Promise<boolean> {
  const { rows } = await sql<{ behind: boolean }>`
    select not exists (select from ${tick} where id >= ${limit.id}::bigint)
      and not exists (
        select from ${change}
        where xid >= pg_catalog.pg_snapshot_xmin(${limit.snapshot}::pg_snapshot)
          and not pg_catalog.pg_visible_in_snapshot(xid, ${limit.snapshot}::pg_snapshot)
      ) as behind`.execute(trx)
  return rows[0]?.behind === true
}

/** Size of the change log in bytes, including indexes and toasted values. */
export async function logBytes(db: Database): Promise<number> {
  return (await slotSizes(db)).reduce((sum, { total }) => sum + total, 0)
}

/** Blocks sampled per slot to estimate the unpublished share. */
const SAMPLED_BLOCKS = 200

/**
 * Bytes of the change log that a position has not published, which cannot be freed. Estimated from a sample of each
 * slot, since the log may hold gigabytes. Slots of a few megabytes are read completely.
 */
export async function unpublishedBytes(db: Database, { tick, partial }: Position): Promise<number> {
  const unpublished = sql`
    not pg_catalog.pg_visible_in_snapshot(xid, ${tick.snapshot}::pg_snapshot)
    ${withoutPartial(db.our('tick'), partial)}`
  let bytes = 0
  for (const { name, blocks, total } of await slotSizes(db)) {
    const percent = Math.min(100, (100 * SAMPLED_BLOCKS) / Math.max(blocks, 1))
    const { rows } = await sql<{ share: number | null }>`
      select sum(${STORED_BYTES}) filter (where ${unpublished}) / sum(${STORED_BYTES})::float8 as share
      from ${db.our(name)} tablesample system (${sql.lit(percent)})`.execute(db.kysely)
    bytes += total * (rows[0]?.share ?? 0)
  }
  return Math.round(bytes)
}

/** Bytes of a change as stored. Does not read values that are stored out of line. */
const STORED_BYTES = sql`(100 + coalesce(pg_catalog.pg_column_size(old), 0) + coalesce(pg_catalog.pg_column_size(new), 0))`

interface SlotSize {
  readonly name: string
  readonly blocks: number
  /** Bytes, including indexes and toasted values. */
  readonly total: number
}

async function slotSizes({ kysely, schema }: Database): Promise<SlotSize[]> {
  const { rows } = await sql<{ name: string; blocks: string; total: string }>`
    select c.relname as name, pg_catalog.pg_total_relation_size(c.oid) as total,
      pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint as blocks
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind = 'r' and c.relname like 'change\\_%'`.execute(kysely)
  return rows.map(({ name, blocks, total }) => ({ name, blocks: Number(blocks), total: Number(total) }))
}

/** Frees all published slots regardless of age, except the current one. For use when disk space runs out. */
export async function freePublishedSlots(db: Database): Promise<number[]> {
  const present = await presentSlot(db)
  const freed: number[] = []
  for (const slot of [...Array(SLOTS).keys(), ...(await formerSlots(db)).keys()]) {
    if (slot !== present && (await freeSlot(db, slot, 0))) freed.push(slot)
  }
  return freed
}
