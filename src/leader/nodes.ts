import { hostname } from 'node:os'
import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { NODE_TTL_SECONDS } from '../db/tables.ts'
import { VERSION } from '../version.ts'
import { readLease } from './lease.ts'
import { formatHealth, type NodeHealth } from './node-health.ts'

export type Role = 'leader' | 'follower' | 'standby'

/** A process that runs a feed, as the others see it. */
export interface Node {
  readonly id: string
  readonly host: string
  readonly pid: number
  /** Of the package; null for a node of an older version. */
  readonly version: string | null
  /** `silent`: it has not reported for a while, or leads by its own account only. */
  readonly role: Role | 'silent'
  /** The last tick that it published; 0 for a standby. */
  readonly tick: bigint
  readonly startedAt: Date
  readonly seenAt: Date
  /** Sockets that are connected to it; null where it serves none itself. */
  readonly sockets: number | null
  /** Null for a node of an older version. */
  readonly health: NodeHealth | null
}

/** What a node says of itself. */
export interface NodeReport {
  readonly id: string
  readonly role: Role
  readonly tick: bigint
  readonly sockets: number | null
  /** Ids of the captured tables that it publishes. */
  readonly captured: readonly number[]
  readonly health: NodeHealth
}

/** Says that this node is alive, forgets those that are not, and returns how many others there are. */
export async function reportNode(
  { kysely }: Database,
  { id, role, tick, sockets, captured, health }: NodeReport,
): Promise<number> {
  const now = sql<Date>`clock_timestamp()`
  const state = { role, tick: String(tick), sockets, captured: [...captured], health: formatHealth(health) }
  const present = { ...state, version: VERSION, seen_at: now }
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

/** Nodes report every 5 seconds. One that missed three reports is not counted on. */
const SILENT_SECONDS = 15

export async function listNodes(db: Database): Promise<Node[]> {
  const lease = await readLease(db)
  const rows = await db.kysely
    .selectFrom('node')
    .select(['id', 'host', 'pid', 'version', 'role', 'tick', 'started_at', 'seen_at', 'sockets'])
    .select(sql<string | null>`health::text`.as('health'))
    .select(sql<number>`extract(epoch from pg_catalog.clock_timestamp() - seen_at)::float8`.as('silentSeconds'))
    .orderBy('started_at')
    .execute()
  const isSilent = (id: string, role: string, silentSeconds: number) =>
    silentSeconds > SILENT_SECONDS || (role === 'leader' && !(lease?.fresh && lease.node === id))
  return rows
    .filter(({ silentSeconds }) => silentSeconds <= NODE_TTL_SECONDS)
    .map(row => ({
      id: row.id,
      host: row.host,
      pid: row.pid,
      version: row.version,
      role: isSilent(row.id, row.role, row.silentSeconds) ? 'silent' : (row.role as Role),
      tick: BigInt(row.tick),
      startedAt: row.started_at,
      seenAt: row.seen_at,
      sockets: row.sockets,
      health: row.health === null ? null : JSON.parse(row.health),
    }))
}
