import { type RawBuilder, sql } from 'kysely'
import type { Client, Database } from '../db/connect.ts'
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts'
import { ChangefeedError } from '../errors.ts'
import type { AdvisoryKey } from '../wakeup/channel.ts'

/** A standby ends the session of a leader whose lease is older than this. */
export const LEASE_MS = 10_000
/** A leader that could not renew for this long stops publishing by itself, before a standby may take over. */
const TRUST_MS = 7_000

/** The monotonic clock stands still while a machine is suspended, and the other may be set back: the later one counts. */
const now = () => ({ monotonic: performance.now(), wall: Date.now() })
const NEVER = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY }

/**
 * One leader at a time, by a session advisory lock on the reader's connection: it goes with the connection. A stopped
 * process keeps its connection and so its lock, hence the lease on top: the leader renews it, a standby that finds it
 * expired terminates the leader's backend, and the leader trusts itself only while its own clock says that the lease
 * is fresh.
 */
export class Election {
  readonly #client: Client
  readonly #db: Database
  readonly #key: AdvisoryKey
  readonly #node: string
  #renewed = NEVER
  #leads = false

  constructor(client: Client, db: Database, key: AdvisoryKey, node: string) {
    this.#client = client
    this.#db = db
    this.#key = key
    this.#node = node
  }

  get leads(): boolean {
    return this.#leads
  }

  /** Whether what this leader reads may still be published: no standby can have taken over. */
  get trusted(): boolean {
    const { monotonic, wall } = this.#renewed
    return this.#leads && performance.now() - monotonic < TRUST_MS && Date.now() - wall < TRUST_MS
  }

  /** True when this node leads from now on. Otherwise, puts an end to a leader that has stopped renewing. */
  async stand(): Promise<boolean> {
    const asked = now()
    const { rows } = await this.#client.query<{ granted: boolean; pid: number }>(
      'select pg_catalog.pg_try_advisory_lock($1, $2) as granted, pg_catalog.pg_backend_pid() as pid',
      [...this.#key],
    )
    if (!rows[0]?.granted) {
      await this.#dethroneExpired()
      return false
    }
    await this.#takeLease(rows[0].pid)
    this.#renewed = asked
    this.#leads = true
    return true
  }

  /** Throws when the lease is no longer ours: somebody has taken over. */
  async renew(): Promise<void> {
    const asked = now()
    const { numUpdatedRows } = await this.#db.kysely
      .updateTable('lease')
      .set({ renewed_at: sql`clock_timestamp()` })
      .where('node', '=', this.#node)
      .executeTakeFirst()
    if (numUpdatedRows !== 1n) throw new Error('Another node has taken the lead.')
    this.#renewed = asked
  }

  /** Lets another node lead at once. */
  async resign(): Promise<void> {
    this.#leads = false
    await this.#client.query('select pg_catalog.pg_advisory_unlock($1, $2)', [...this.#key])
  }

  async #takeLease(pid: number) {
    const lease = { node: this.#node, pid, renewed_at: sql<Date>`clock_timestamp()` }
    await this.#db.kysely
      .insertInto('lease')
      .values(lease)
      .onConflict(conflict => conflict.column('singleton').doUpdateSet(lease))
      .execute()
  }

  /** Only a backend that holds the leader's lock at this moment: process ids are used again. */
  async #dethroneExpired() {
    const holder = await lockHolder(this.#db, this.#key, this.#renewedTooLongAgo())
    if (holder !== undefined) await endBackend(this.#db, holder)
  }

  #renewedTooLongAgo() {
    const { our } = this.#db
    return sql`pid in (select pid from ${our('lease')}
      where renewed_at < clock_timestamp() - ${LEASE_MS} * interval '1 millisecond')`
  }
}

/**
 * Ends the session, if there is one, that a former leader still holds the gate with: its process is stopped, or behind a
 * broken connection, and would keep the new leader from ever sleeping. To be called by the leader.
 */
export async function endFormerGate(db: Database, gate: AdvisoryKey): Promise<void> {
  const holder = await lockHolder(db, gate, sql`mode = 'ExclusiveLock'`)
  if (holder !== undefined) await endBackend(db, holder)
}

/** The backend that holds an advisory lock of this database. */
async function lockHolder({ kysely }: Database, [space, key]: AdvisoryKey, condition: RawBuilder<unknown>) {
  const { rows } = await sql<{ pid: number }>`
    select pid from pg_catalog.pg_locks where locktype = 'advisory' and granted and objsubid = 2
      and classid = ${space}::int8::oid and objid = ${unsigned(key)}::int8::oid
      and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
      and ${condition}`.execute(kysely)
  return rows[0]?.pid
}

async function endBackend({ kysely }: Database, pid: number): Promise<void> {
  try {
    await sql`select pg_catalog.pg_terminate_backend(${pid})`.execute(kysely)
  } catch (cause) {
    if (sqlstateOf(cause) !== SQLSTATE.insufficientPrivilege) throw cause
    throw new ChangefeedError(
      'E_PRIVILEGE',
      'The leader does not answer, and this role may not end its session. Let all listeners connect as the same role, or grant this one pg_signal_backend.',
      { cause },
    )
  }
}

/** pg_locks shows the two integers of an advisory key as oids, which are unsigned. */
const unsigned = (integer: number) => integer >>> 0
