import { sql } from 'kysely'
import type { Client, Database } from '../db/connect.ts'

/** A lease that was not renewed for this long has expired. */
export const LEASE_MS = 10_000

/** The server process of a leader's connection. When it is gone, so is the leader. */
export interface Backend {
  readonly pid: number
  /** As text, with microseconds. A process id alone may have been reused by a later backend. */
  readonly start: string
}

/** Identifies one period of leadership. Increases with every change of leader. */
export type Term = string

export async function backendOf(client: Client): Promise<Backend> {
  const { rows } = await client.query<Backend>(
    'select pid, backend_start::text as start from pg_catalog.pg_stat_activity where pid = pg_catalog.pg_backend_pid()',
  )
  if (!rows[0]) throw new Error('pg_stat_activity does not list the session of this connection.')
  return rows[0]
}

/** Takes the lease if it is free, with one compare-and-set on the server's clock. Null when another node holds it. */
export async function takeLease({ kysely }: Database, node: string, { pid, start }: Backend): Promise<Term | null> {
  const held = await kysely.selectFrom('lease').select(isFree(node).as('free')).executeTakeFirst()
  if (held && !held.free) return null // avoids a row lock by nodes that only check
  const lease = { node, pid, backend_start: start, renewed_at: NOW }
  const taken = await kysely
    .insertInto('lease')
    .values({ ...lease, term: '1' })
    .onConflict(conflict =>
      conflict
        .column('singleton')
        .doUpdateSet({ ...lease, term: sql`lease.term + 1` })
        .where(isFree(node)),
    )
    .returning('term')
    .executeTakeFirst()
  return taken?.term ?? null
}

/** False when another node has taken the lease. */
export async function renewLease({ kysely }: Database, term: Term): Promise<boolean> {
  const { numUpdatedRows } = await kysely
    .updateTable('lease')
    .set({ renewed_at: NOW })
    .where('term', '=', term)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Lets another node take the lease at once. */
export async function releaseLease({ kysely }: Database, term: Term): Promise<void> {
  await kysely.updateTable('lease').set({ pid: NO_BACKEND }).where('term', '=', term).execute()
}

/** The current or last leader. */
export interface Lease {
  readonly node: string
  /** Seconds since the last renewal, on the server's clock. */
  readonly silentSeconds: number
  /** Whether its holder leads now. */
  readonly fresh: boolean
}

/** Null if there has been no leader yet. */
export async function readLease({ kysely }: Database): Promise<Lease | null> {
  const lease = await kysely
    .selectFrom('lease')
    .select([
      'node',
      sql<number>`extract(epoch from pg_catalog.clock_timestamp() - renewed_at)::float8`.as('silentSeconds'),
      sql<boolean>`${IS_RECENT} and ${IS_CONNECTED}`.as('fresh'),
    ])
    .executeTakeFirst()
  return lease ?? null
}

const NOW = sql<Date>`pg_catalog.clock_timestamp()`

/** The process id of no backend. */
const NO_BACKEND = 0

/** Excludes the future too: a clock that was set back must not extend the lease. */
const IS_RECENT = sql<boolean>`lease.renewed_at
  between pg_catalog.clock_timestamp() - ${sql.lit(LEASE_MS)} * interval '1 millisecond'
  and pg_catalog.clock_timestamp() + ${sql.lit(LEASE_MS)} * interval '1 millisecond'`

/**
 * Whether the holder's backend exists. A role that may not see the start time of other sessions compares the process id
 * alone; a reused id then counts until the lease expires.
 */
const IS_CONNECTED = sql<boolean>`exists (
  select from pg_catalog.pg_stat_activity as backend
  where backend.pid = lease.pid and (backend.backend_start = lease.backend_start) is not false
)`

/** Held by this node, expired, or its holder's backend is gone. */
const isFree = (node: string) => sql<boolean>`(lease.node = ${node} or not ${IS_RECENT} or not ${IS_CONNECTED})`
