import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { type AdvisoryKey, gateKey } from '../wakeup/channel.ts'

/** A session of another role that holds one of our advisory locks. */
export interface ForeignHolder {
  readonly pid: number
  readonly role: string
  /** Null if this role may not see it. */
  readonly address: string | null
  readonly application: string
}

/**
 * Terminates the session through which a former leader still holds the gate. Its process is stopped or its connection
 * broken, and the new leader could never sleep. Limited to sessions of the same role, which any role may terminate.
 */
export async function terminateFormerGate({ kysely }: Database, key: AdvisoryKey): Promise<void> {
  await sql`
    select pg_catalog.pg_terminate_backend(held.pid)
    from pg_catalog.pg_locks as held join pg_catalog.pg_stat_activity as holder on holder.pid = held.pid
    where ${isHeld(key)} and held.mode = 'ExclusiveLock' and held.granted
      and holder.usename = current_user`.execute(kysely)
}

/** The roles of this connection and of the leader. */
export async function listenerRoles({ kysely, our }: Database): Promise<string[]> {
  const { rows } = await sql<{ role: string }>`
    select current_user::text as role
    union
    select leader.usename::text
    from pg_catalog.pg_stat_activity as leader join ${our('lease')} as lease on lease.pid = leader.pid
    where leader.usename is not null`.execute(kysely)
  return rows.map(({ role }) => role)
}

/**
 * Sessions of other roles that hold the gate. Any role that may connect can take the lock, which only causes extra
 * notifications. A transaction that shares the key belongs to a writer.
 */
export async function foreignGateHolders(db: Database): Promise<ForeignHolder[]> {
  const { rows } = await sql<ForeignHolder>`
    select distinct held.pid, holder.usename::text as role, holder.client_addr::text as address,
      holder.application_name as application
    from pg_catalog.pg_locks as held join pg_catalog.pg_stat_activity as holder on holder.pid = held.pid
    where ${isHeld(gateKey(db.schema))} and held.granted
      and (held.mode = 'ExclusiveLock' or holder.state = 'idle')
      and holder.usename::text <> all(${await listenerRoles(db)}::text[])
    order by held.pid`.execute(db.kysely)
  return rows
}

export function describeHolder({ pid, role, address, application }: ForeignHolder): string {
  const from = address === null ? 'address hidden from this role' : `address ${address}`
  return `process ${pid} of the role "${role}" (application "${application}", ${from})`
}

/** pg_locks shows the two integers of an advisory key as oids, which are unsigned. */
const isHeld = ([space, key]: AdvisoryKey) => sql`
  held.locktype = 'advisory' and held.objsubid = 2
  and held.classid = ${space >>> 0}::int8::oid and held.objid = ${key >>> 0}::int8::oid
  and held.database = (
    select current.oid from pg_catalog.pg_database as current where current.datname = pg_catalog.current_database()
  )`
