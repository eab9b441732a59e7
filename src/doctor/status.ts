import { sql } from 'kysely'
import { type ConsumerStatus, listConsumers } from '../change-log/consumers.ts'
import type { Lag } from '../change-log/lag.ts'
import { logBytes } from '../change-log/retention.ts'
import type { Database } from '../db/connect.ts'
import { deliveryLag } from '../leader/delivery-lag.ts'
import { type ForeignHolder, foreignGateHolders } from '../leader/gate-holders.ts'
import { type Lease, readLease } from '../leader/lease.ts'
import { listNodes, type Node } from '../leader/nodes.ts'
import { listPauses } from '../pipeline/pauses.ts'
import type { Finding } from './finding.ts'
import { checkNodes } from './node-checks.ts'

/** The state of a feed as stored in the database, whether a listener runs or not. */
export interface DatabaseStatus {
  /** Problems that the nodes report. */
  readonly problems: readonly Finding[]
  readonly models: readonly ModelStatus[]
  readonly lag: Lag
  /** The current or last leader; null if there has been none. */
  readonly leader: Lease | null
  /** Sessions that hold the gate and are not listeners. */
  readonly gateHolders: readonly ForeignHolder[]
  readonly nodes: readonly Node[]
  /** Named consumers: `feed.consume()`. */
  readonly consumers: readonly ConsumerStatus[]
  readonly logBytes: number
  /** The time from which the log is complete; null if it is empty. */
  readonly oldestRetainedAt: Date | null
  /** Number of sockets served by the nodes; null if none serves sockets. */
  readonly sockets: number | null
}

export interface ModelStatus {
  readonly identity: string
  /** Null if it was dropped. */
  readonly table: string | null
  /** `moved`: at the last check of a listener, the model's name referred to another table. */
  readonly capture: 'on' | 'disabled' | 'missing' | 'moved'
  readonly pausedAt: Date | null
  readonly withheld: number
}

export async function readStatus(db: Database): Promise<DatabaseStatus> {
  const nodes = await listNodes(db)
  const serving = nodes.flatMap(({ sockets }) => sockets ?? [])
  return {
    models: await readModelStatus(db),
    problems: checkNodes(nodes),
    lag: await deliveryLag(db, nodes),
    leader: await readLease(db),
    gateHolders: await foreignGateHolders(db),
    nodes,
    consumers: await listConsumers(db),
    logBytes: await logBytes(db),
    oldestRetainedAt: await readOldest(db),
    sockets: serving.length === 0 ? null : serving.reduce((sum, sockets) => sum + sockets, 0),
  }
}

/** The state in the catalog. Whether the triggers match the models is checked by the doctor. */
export async function readModelStatus(db: Database): Promise<ModelStatus[]> {
  const { rows } = await sql<CapturedRow>`
    select identity, relation::regclass::text as table, count(tgname) as triggers,
      count(*) filter (where tgenabled in ('D', 'R')) as disabled,
      exists (select from ${db.our('model_capture')} as found where found.identity = captured.identity) and not exists (
        select from ${db.our('model_capture')} as found where found.table_id = captured.id
      ) as moved
    from ${db.our('captured_table')} as captured
    left join pg_catalog.pg_class as class on class.oid = captured.relation
    left join pg_catalog.pg_trigger as trigger on tgrelid = class.oid and tgfoid in (
      select oid from pg_catalog.pg_proc where proname = 'capture_' || captured.id
        and pronamespace = (select oid from pg_catalog.pg_namespace where nspname = ${db.schema})
    )
    group by captured.id, identity, relation, class.oid order by identity, captured.id`.execute(db.kysely)
  const pauses = new Map((await listPauses(db)).map(pause => [pause.identity, pause]))
  return rows.map(row => ({
    identity: row.identity,
    table: isDropped(row) ? null : row.table,
    capture: captureOf(row),
    pausedAt: pauses.get(row.identity)?.resumedAt === null ? (pauses.get(row.identity)?.pausedAt ?? null) : null,
    withheld: pauses.get(row.identity)?.withheld ?? 0,
  }))
}

interface CapturedRow {
  readonly identity: string
  readonly table: string | null
  readonly triggers: string
  readonly disabled: string
  readonly moved: boolean
}

const isDropped = ({ triggers, table }: CapturedRow) => Number(triggers) === 0 && /^\d+$/.test(table ?? '')

function captureOf({ triggers, disabled, moved }: CapturedRow): ModelStatus['capture'] {
  if (Number(triggers) === 0) return 'missing'
  if (Number(disabled) > 0) return 'disabled'
  return moved ? 'moved' : 'on'
}

/** Earlier ticks and their changes have been freed. */
export async function readOldest({ kysely, our }: Database): Promise<Date | null> {
  const { rows } = await sql<{ at: Date | null }>`
    select at from ${our('tick')} where id >= (select oldest_tick from ${our('state')}) and id > 0
    order by id limit 1`.execute(kysely)
  return rows[0]?.at ?? null
}
