import { hostname } from 'node:os'
import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'

export type Role = 'leader' | 'follower' | 'standby'

/** A process that runs a feed, as the others see it. */
export interface Node {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly role: Role
  /** The last tick that it published; 0 for a standby. */
  readonly tick: bigint
  readonly startedAt: Date
  readonly seenAt: Date
}

/** A node that has not been seen for this long is gone. */
const NODE_TTL_SECONDS = 30

/** Says that this node is alive, forgets those that are not, and returns how many others there are. */
export async function reportNode({ kysely }: Database, id: string, role: Role, tick: bigint): Promise<number> {
  const now = sql<Date>`clock_timestamp()`
  await kysely
    .insertInto('node')
    .values({ id, host: hostname(), pid: process.pid, role, tick: String(tick), started_at: now, seen_at: now })
    .onConflict(conflict => conflict.column('id').doUpdateSet({ role, tick: String(tick), seen_at: now }))
    .execute()
  await kysely
    .deleteFrom('node')
    .where('seen_at', '<', sql<Date>`clock_timestamp() - ${NODE_TTL_SECONDS} * interval '1 second'`)
    .execute()
  const { others } = await kysely
    .selectFrom('node')
    .select(({ fn }) => fn.countAll<string>().as('others'))
    .where('id', '<>', id)
    .executeTakeFirstOrThrow()
  return Number(others)
}

export async function removeNode({ kysely }: Database, id: string): Promise<void> {
  await kysely.deleteFrom('node').where('id', '=', id).execute()
}

export async function listNodes({ kysely }: Database): Promise<Node[]> {
  const rows = await kysely.selectFrom('node').selectAll().orderBy('started_at').execute()
  return rows.map(row => ({
    id: row.id,
    host: row.host,
    pid: row.pid,
    role: row.role as Role,
    tick: BigInt(row.tick),
    startedAt: row.started_at,
    seenAt: row.seen_at,
  }))
}
