import { sql } from 'kysely'
import type { Client, Database } from '../db/connect.ts'

/** A lease that was not renewed for longer than this may be taken. */
export const LEASE_MS = 10_000

/** The connection that a node leads with: when it is gone from the server, so is the leader. */
export interface Backend {
  readonly pid: number
  /** As text: to the microsecond. A process id alone may be that of a later backend. */
  readonly start: string
}

/** Which leader somebody is: it rises with every change of leader, and never names two of them. */
export type Term = string

export async function backendOf(client: Client): Promise<Backend> {
  const { rows } = await client.query<Backend>(
    'select pid, backend_start::text as start from pg_catalog.pg_stat_activity where pid = pg_catalog.pg_backend_pid()',
  )
  if (!rows[0]) throw new Error('The server does not list the session that asks.')
  return rows[0]
}

/** Takes the lease if nobody has it: compare and set, by the clock of the server. Null when another node has it. */
export async function takeLease({ kysely }: Database, node: string, { pid, start }: Backend): Promise<Term | null> {
  const held = await kysely.selectFrom('lease').select(isFree(node).as('free')).executeTakeFirst()
  if (held && !held.free) return null // so that nodes that only look do not write-lock the row
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

/** Who leads, or led last. */
export interface Lease {
  readonly node: string
  /** Since it was renewed, by the clock of the server. */
  readonly silentSeconds: number
  /** Whether its holder leads now. */
  readonly fresh: boolean
}

/** Null where there has been no leader yet. */
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

/** No server process has it. */
const NO_BACKEND = 0

/** Not from the future either: a clock that was set back must not keep a lease alive. */
const IS_RECENT = sql<boolean>`lease.renewed_at
  between pg_catalog.clock_timestamp() - ${sql.lit(LEASE_MS)} * interval '1 millisecond'
  and pg_catalog.clock_timestamp() + ${sql.lit(LEASE_MS)} * interval '1 millisecond'`

/**
 * Whether the backend of its holder is there. A role that may not see when the sessions of another role began goes by the
 * process id: one that was used again counts until the lease expires.
 */
const IS_CONNECTED = sql<boolean>`exists (
  select from pg_catalog.pg_stat_activity as backend
  where backend.pid = lease.pid and (backend.backend_start = lease.backend_start) is not false
)`

/** Never held by anybody else, expired, or the backend of its holder is gone. */
const isFree = (node: string) => sql<boolean>`(lease.node = ${node} or not ${IS_RECENT} or not ${IS_CONNECTED})`
