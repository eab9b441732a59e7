import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { BEFORE_ALL, type Lag, readLag } from './lag.ts'
import { extentOfLog, type Position, PUBLISHER, rowOf, storedPosition } from './position.ts'
import { unpublishedBytes } from './retention.ts'

/** The server process of a consumer's connection: when it is gone, another process may read as the consumer. */
export interface ConsumerBackend {
  readonly pid: number
  /** As text, with microseconds. */
  readonly start: string
}

/** A place in the change log: everything up to it is acknowledged. */
export interface AcknowledgedPlace {
  readonly epoch: number
  readonly tick: bigint
  /** Within the tick; `WHOLE_TICK` for all of it. */
  readonly seq: bigint
}

/** A named consumer, as everyone with a connection sees it. */
export interface ConsumerStatus {
  readonly name: string
  readonly tick: string
  readonly updatedAt: Date
  /** Whether a process reads as this consumer now. */
  readonly connected: boolean
  /** What it has not acknowledged. */
  readonly lag: Lag
}

/** Registers a consumer at a position, unless there is one of its name. */
export async function registerConsumer({ kysely }: Database, name: string, position: Position): Promise<void> {
  await kysely
    .insertInto('consumer')
    .values({ name, ...rowOf(position) })
    .onConflict(conflict => conflict.column('name').doNothing())
    .execute()
}

export async function consumerExists({ kysely }: Database, name: string): Promise<boolean> {
  return (await kysely.selectFrom('consumer').select('name').where('name', '=', name).executeTakeFirst()) !== undefined
}

/** Takes the consumer for the process of this backend. False while another process reads as it. */
export async function claimConsumer({ kysely }: Database, name: string, backend: ConsumerBackend): Promise<boolean> {
  const { numUpdatedRows } = await kysely
    .updateTable('consumer')
    .set({ pid: backend.pid, backend_start: backend.start })
    .where('name', '=', name)
    .where(sql<boolean>`not ${IS_CONNECTED}`)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Stores where the consumer goes on. False when another process has taken it, it was dropped, or an epoch has begun. */
export async function storeConsumer(
  { kysely }: Database,
  name: string,
  { tick, seq }: AcknowledgedPlace,
  backend: ConsumerBackend,
): Promise<boolean> {
  const { numUpdatedRows } = await kysely
    .updateTable('consumer')
    .set({ tick: String(tick), seq: String(seq), gap: null, updated_at: sql<Date>`clock_timestamp()` })
    .where('name', '=', name)
    .where('pid', '=', backend.pid)
    .where(sql<boolean>`backend_start = ${backend.start}::timestamptz`)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Lets another process read as the consumer at once. */
export async function releaseConsumer({ kysely }: Database, name: string, backend: ConsumerBackend): Promise<void> {
  await kysely
    .updateTable('consumer')
    .set({ pid: null, backend_start: null })
    .where('name', '=', name)
    .where('pid', '=', backend.pid)
    .execute()
}

/** False where there is none of that name. */
export async function dropConsumer({ kysely }: Database, name: string): Promise<boolean> {
  if (name === PUBLISHER) return false
  const { numDeletedRows } = await kysely.deleteFrom('consumer').where('name', '=', name).executeTakeFirst()
  return numDeletedRows === 1n
}

export async function listConsumers(db: Database): Promise<ConsumerStatus[]> {
  const rows = await db.kysely
    .selectFrom('consumer')
    .select(['name', 'tick', 'updated_at', sql<boolean>`${IS_CONNECTED}`.as('connected')])
    .where('name', '<>', PUBLISHER)
    .orderBy('name')
    .execute()
  return await Promise.all(
    rows.map(async ({ name, tick, updated_at, connected }) => ({
      name,
      tick,
      updatedAt: updated_at,
      connected,
      lag: await readLag(db, (await storedPosition(db, 0, name)) ?? BEFORE_ALL),
    })),
  )
}

/**
 * Moves consumers that hold more than `limit` bytes of the change log to `position`, with a gap: their share of the log can
 * be freed then. Returns their names.
 */
export async function skipSlowConsumers(db: Database, position: Position, limit: number): Promise<string[]> {
  const { epoch } = await extentOfLog(db)
  const skipped: string[] = []
  for (const { name } of await db.kysely
    .selectFrom('consumer')
    .select('name')
    .where('name', '<>', PUBLISHER)
    .execute()) {
    const own = await storedPosition(db, epoch, name)
    if (own && (await unpublishedBytes(db, own)) <= limit) continue
    await db.kysely
      .updateTable('consumer')
      .set(rowOf({ ...position, gap: 'gap' }))
      .where('name', '=', name)
      .execute()
    skipped.push(name)
  }
  return skipped
}

/** A role that may not see the start time of other sessions compares the process id alone. */
const IS_CONNECTED = sql<boolean>`exists (
  select from pg_catalog.pg_stat_activity as backend
  where backend.pid = consumer.pid and (backend.backend_start = consumer.backend_start) is not false
)`
