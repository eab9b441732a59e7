import { sql, type Transaction } from 'kysely'
import { WHOLE_TICK } from '../change-log/tick.ts'
import type { Client, Database } from '../db/connect.ts'
import type { Tables } from '../db/tables.ts'
import { ChangefeedError } from '../errors.ts'
import { LEASE_MS, type Term } from './lease.ts'

/** Identifies one history of a database. */
export interface Identity {
  readonly systemIdentifier: string
  readonly databaseOid: number
  readonly timeline: string
}

/**
 * How the history of the connected database relates to the one that the change log was written in.
 *
 * - `same`: the same history
 * - `promoted`: the same history on a new timeline; the last transactions of the old timeline may be lost
 * - `foreign`: restored from a dump, cloned or reset; the transaction ids in the log are meaningless here
 */
export type History = 'same' | 'promoted' | 'foreign'

const OLDEST_SERVER = 130_000

/** Throws `E_STANDBY` and `E_VERSION`. */
export async function readIdentity(client: Client): Promise<Identity> {
  const { rows } = await client.query<{ standby: boolean; version: number }>(
    `select pg_catalog.pg_is_in_recovery() as standby, current_setting('server_version_num')::int as version`,
  )
  if (rows[0]?.standby) {
    throw new ChangefeedError('E_STANDBY', 'The server is a standby and takes no writes: connect to the primary.')
  }
  if ((rows[0]?.version ?? 0) < OLDEST_SERVER) {
    throw new ChangefeedError('E_VERSION', 'PostgreSQL 13 or newer is needed: the feed relies on pg_snapshot and xid8.')
  }
  return await readPrimaryIdentity(client)
}

/** Reads the timeline from the WAL position: pg_control keeps the old one until the next checkpoint. */
async function readPrimaryIdentity(client: Client): Promise<Identity> {
  const { rows } = await client.query<Identity>(`
    select system_identifier::text as "systemIdentifier",
      (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()) as "databaseOid",
      pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) as timeline
    from pg_catalog.pg_control_system()`)
  if (!rows[0]) throw new Error('pg_control_system() returned no row.')
  return rows[0]
}

export interface State {
  readonly epoch: number
  readonly oldestTick: bigint
  readonly history: History
}

/** Compares the stored identity and the newest tick with the connected server. */
export async function readState({ kysely }: Database, identity: Identity): Promise<State> {
  const state = await kysely
    .selectFrom('state')
    .selectAll()
    .select(({ selectFrom }) => [
      sql<number>`tableoid`.as('present_oid'),
      selectFrom('tick')
        .select(
          sql<boolean>`pg_catalog.pg_snapshot_xmax(snapshot) > pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())`.as(
            'ahead',
          ),
        )
        .orderBy('id', 'desc')
        .limit(1)
        .as('ahead'),
    ])
    .executeTakeFirstOrThrow()
  return { epoch: state.epoch, oldestTick: BigInt(state.oldest_tick), history: historyOf(state, identity) }
}

interface StoredIdentity {
  system_identifier: string | null
  database_oid: number | null
  timeline: string | null
  table_oid: number | null
  /** Oid of the table that holds the row. A restore into the same database recreates the table. */
  present_oid: number
  ahead: boolean | null
}

function historyOf(stored: StoredIdentity, identity: Identity): History {
  if (stored.ahead) return 'foreign'
  if (stored.system_identifier === null) return 'same'
  if (stored.system_identifier !== identity.systemIdentifier) return 'foreign'
  if (Number(stored.database_oid) !== Number(identity.databaseOid)) return 'foreign'
  if (stored.table_oid !== null && stored.table_oid !== stored.present_oid) return 'foreign'
  return stored.timeline === identity.timeline ? 'same' : 'promoted'
}

/**
 * More ticks than a crash of the server can lose. Ticks are committed asynchronously, so a crash may lose the last ones,
 * whose ids are in cursors of clients. The crash also ends the session of the leader that created them.
 */
const TICKS_PER_TERM = 1_000_000n
/** A failover may lose several terms. */
const TICKS_PER_TIMELINE = 1_000_000n * TICKS_PER_TERM

/** The database that the leader found, and its term. */
export interface Acceptance {
  readonly identity: Identity
  readonly history: History
  readonly term: Term
}

/**
 * Updates the stored state to match the server, as the leader. Tick ids skip ahead, so that the id of a lost tick is
 * never used again. In a foreign history, a new epoch begins. Concurrent calls conflict on the state row, and all but
 * one fail.
 */
export async function acceptHistory(db: Database, { identity, history, term }: Acceptance): Promise<void> {
  await db.kysely
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async trx => {
      await sql`set local statement_timeout = 0`.execute(trx)
      await sql`set local idle_in_transaction_session_timeout = ${sql.lit(LEASE_MS)}`.execute(trx) // a stopped process
      if (history === 'foreign') await waitForConsumers(db, trx)
      await assertTerm(trx, term)
      await commitDurably(trx)
      await storeIdentity(trx, identity)
      if (history === 'foreign') await beginEpoch(db, trx)
      else await passLostTicks(db, trx, history === 'promoted' ? TICKS_PER_TIMELINE : TICKS_PER_TERM)
    })
}

async function assertTerm(trx: Transaction<Tables>, term: Term) {
  const lease = await trx.selectFrom('lease').select('node').where('term', '=', term).executeTakeFirst()
  if (!lease) throw new Error('Leadership lost: another node holds the lease.')
}

async function storeIdentity(trx: Transaction<Tables>, { systemIdentifier, databaseOid, timeline }: Identity) {
  await trx
    .updateTable('state')
    .set({ system_identifier: systemIdentifier, database_oid: databaseOid, timeline, table_oid: sql`tableoid` })
    .execute()
}

/** Before the snapshot of the transaction: each position that a consumer stored after it would make this one fail. */
async function waitForConsumers({ our }: Database, trx: Transaction<Tables>) {
  await sql`lock table ${our('consumer')} in exclusive mode`.execute(trx)
}

/** A lost skip would be repeated by the next leader. */
async function commitDurably(trx: Transaction<Tables>) {
  await sql`
    select pg_catalog.set_config('synchronous_commit', 'local', true)
    where pg_catalog.current_setting('synchronous_commit') = 'off'`.execute(trx)
}

/** The new tick is empty: it repeats the snapshot of the newest one. */
async function passLostTicks({ our }: Database, trx: Transaction<Tables>, ticks: bigint) {
  await sql`
    insert into ${our('tick')} (id, snapshot, at, slot)
    select id + ${String(ticks)}::bigint, snapshot, at, slot from ${our('tick')} order by id desc limit 1`.execute(trx)
}

/**
 * Gives all logged changes the lowest transaction id, ordered by timestamp. The first tick then delivers them once, and
 * no later comparison of transaction ids or WAL positions involves the old values.
 */
async function beginEpoch({ our }: Database, trx: Transaction<Tables>) {
  await sql`
    update ${our('change')} as change set xid = '3'::xid8, seq = place
    from (
      select tableoid, ctid, row_number() over (order by at, seq) as place from ${our('change')}
    ) as old
    where change.tableoid = old.tableoid and change.ctid = old.ctid`.execute(trx)
  await trx.deleteFrom('tick').execute()
  await sql`
    insert into ${our('tick')} (id, snapshot, at, slot) values (0, '2:2:', clock_timestamp(), 0)`.execute(trx)
  await trx
    .updateTable('consumer')
    .set({ tick: '0', seq: String(WHOLE_TICK), gap: 'epoch', pid: null, backend_start: null }) // none may store a former tick
    .execute()
  await trx
    .updateTable('state')
    .set(({ eb }) => ({ epoch: eb('epoch', '+', 1), oldest_tick: '0' }))
    .execute()
}
