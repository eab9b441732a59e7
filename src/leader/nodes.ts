import { hostname } from 'node:os'
import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { NODE_TTL_SECONDS } from '../db/tables.ts'

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
  /** Sockets that are connected to it; null where it serves none itself. */
  readonly sockets: number | null
}

/** What a node says of itself. */
export interface NodeReport extends Pick<Node, 'id' | 'role' | 'tick' | 'sockets'> {
  /** Ids of the captured tables that it publishes. */
  readonly captured: readonly number[]
}

/** Says that this node is alive, forgets those that are not, and returns how many others there are. */
export async function reportNode(
  { kysely }: Database,
  { id, role, tick, sockets, captured }: NodeReport,
): Promise<number> {
  const now = sql<Date>`clock_timestamp()`
  const present = { role, tick: String(tick), sockets, captured: [...captured], seen_at: now }
  await kysely
    .insertInto('node')
    .values({ id, host: hostname(), pid: process.pid, started_at: now, ...present })
    .onConflict(conflict => conflict.column('id').doUpdateSet(present))
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
    sockets: row.sockets,
  }))
}
