import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'
import type { Cursor } from './cursor.ts'
import { withoutPartial } from './lag.ts'
import { extentOfLog, hasTick, newestTick, type Position } from './position.ts'
import type { Tick } from './tick.ts'

/** The position after a cursor. Throws `E_USAGE` if the log no longer has its tick. */
export async function positionAfter(db: Database, cursor: Cursor): Promise<Position> {
  const epoch = await currentEpoch(db)
  const before = await newestTick(db, cursor.tick - 1n)
  if (cursor.epoch !== epoch) {
    throw new ChangefeedError(
      'E_USAGE',
      'The cursor belongs to another epoch: the database was restored or cloned since. Start from a time or a newer cursor.',
    )
  }
  if (!before || before.id < (await extentOfLog(db)).oldest) {
    throw new ChangefeedError(
      'E_USAGE',
      `The cursor is older than the change log, which starts at ${await startOfLog(db)}.`,
    )
  }
  if (!(await hasTick(db, { id: cursor.tick }))) {
    throw new ChangefeedError(
      'E_USAGE',
      'The change log does not have the tick of the cursor: a crash of the server lost it. Start from a time or another cursor.',
    )
  }
  return { epoch, tick: before, partial: { tick: cursor.tick, seq: cursor.seq } }
}

/**
 * The position before all changes from that time on: the last tick before it. Throws `E_USAGE` if the time is older
 * than the log.
 */
export async function positionAt(db: Database, time: Date): Promise<Position> {
  const { rows } = await sql<{ id: string; snapshot: string }>`
    select id, snapshot::text from ${db.our('tick')}
    where (at <= ${time} or id = 0) and id >= (select oldest_tick from ${db.our('state')})
    order by id desc limit 1`.execute(db.kysely)
  const [tick] = rows
  if (!tick) {
    throw new ChangefeedError(
      'E_USAGE',
      `${time.toISOString()} is older than the change log, which starts at ${await startOfLog(db)}.`,
    )
  }
  return { epoch: await currentEpoch(db), tick: { id: BigInt(tick.id), snapshot: tick.snapshot } }
}

/** The position after the newest tick. */
export async function positionNow(db: Database): Promise<Position> {
  const tick = await newestTick(db)
  if (!tick) throw new ChangefeedError('E_NOT_INSTALLED', 'The change log has no tick: uninstall and install again.')
  return { epoch: await currentEpoch(db), tick }
}

/** Counts the changes of each table between a position and a tick. */
export async function countBetween(db: Database, from: Position, to: Tick, times: TimeRange): Promise<TableCount[]> {
  const { partial, tick } = from
  const { rows } = await sql<{ table_id: number; operation: string; changes: string }>`
    select table_id, operation::text, count(*) as changes from ${db.our('change')}
    where not pg_catalog.pg_visible_in_snapshot(xid, ${tick.snapshot}::pg_snapshot)
      and pg_catalog.pg_visible_in_snapshot(xid, ${to.snapshot}::pg_snapshot)
      and at between ${times.since} and ${times.until} ${withoutPartial(db.our('tick'), partial)}
    group by table_id, operation`.execute(db.kysely)
  return rows.map(row => ({ tableId: row.table_id, operation: row.operation, changes: Number(row.changes) }))
}

export interface TimeRange {
  readonly since: Date
  readonly until: Date
}

export interface TableCount {
  readonly tableId: number
  /** `I`, `U`, `D` or `T`. */
  readonly operation: string
  readonly changes: number
}

async function currentEpoch({ kysely }: Database): Promise<number> {
  return (await kysely.selectFrom('state').select('epoch').executeTakeFirstOrThrow()).epoch
}

async function startOfLog({ kysely, our }: Database): Promise<string> {
  const { rows } = await sql<{ at: Date | null }>`
    select min(at) as at from ${our('tick')} where id >= (select oldest_tick from ${our('state')})`.execute(kysely)
  return rows[0]?.at?.toISOString() ?? 'its next change'
}
