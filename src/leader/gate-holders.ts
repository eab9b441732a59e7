import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { type AdvisoryKey, gateKey } from '../wakeup/channel.ts'

/** A session that holds an advisory lock of ours though it is none of ours. */
export interface ForeignHolder {
  readonly pid: number
  readonly role: string
  /** Null where this role may not see it. */
  readonly address: string | null
  readonly application: string
}

/**
 * Ends the session with which a former leader still holds the gate: its process is stopped, or behind a broken
 * connection, and the new leader would never sleep. Only sessions of our own role, which any role may end.
 */
export async function terminateFormerGate({ kysely }: Database, key: AdvisoryKey): Promise<void> {
  await sql`
    select pg_catalog.pg_terminate_backend(held.pid)
    from pg_catalog.pg_locks as held join pg_catalog.pg_stat_activity as holder on holder.pid = held.pid
    where ${isHeld(key)} and held.mode = 'ExclusiveLock' and held.granted
      and holder.usename = current_user`.execute(kysely)
}

/** The role of this connection, and that of the leader. */
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
 * Any role that may connect can take the key of the gate, which costs notifications and nothing else. A transaction that
 * shares the key is a writer's.
 */
export async function foreignGateHolders(db: Database): Promise<ForeignHolder[]> {
  const { rows } = await sql<ForeignHolder>`
    select distinct held.pid, holder.usename::text as role, holder.client_addr::text as address,
      holder.application_name as application
    from pg_catalog.pg_locks as held join pg_catalog.pg_stat_activity as holder on holder.pid = held.pid
    where ${isHeld(gateKey(db.schema))}
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
