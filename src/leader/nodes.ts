import { hostname } from 'node:os'
import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { NODE_TTL_SECONDS } from '../db/tables.ts'
import { VERSION } from '../version.ts'
import { readLease } from './lease.ts'
import { formatHealth, type NodeHealth } from './node-health.ts'

export type Role = 'leader' | 'follower' | 'standby'

/** A process that runs a feed, as it appears in the node table. */
export interface Node {
  readonly id: string
  readonly host: string
  readonly pid: number
  /** Package version; null for a node of an older version. */
  readonly version: string | null
  /** `silent`: it stopped reporting, or it claims to lead without holding the lease. */
  readonly role: Role | 'silent'
  /** The last tick that it published; 0 for a standby. */
  readonly tick: bigint
  readonly startedAt: Date
  readonly seenAt: Date
  /** Number of connected sockets; null if it serves none itself. */
  readonly sockets: number | null
  /** Null for a node of an older version. */
  readonly health: NodeHealth | null
}

/** What a node reports about itself. */
export interface NodeReport {
  readonly id: string
  readonly role: Role
  readonly tick: bigint
  readonly sockets: number | null
  /** Ids of the captured tables that it publishes. */
  readonly captured: readonly number[]
  readonly health: NodeHealth
}

/** Reports this node as alive, removes expired nodes, and returns the number of other nodes. */
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

/** Nodes report every 5 seconds. A node that missed three reports counts as silent. */
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
