import type { ColumnType, GeneratedAlways } from 'kysely'

/** Our own schema for Kysely. bigint, xid8 and pg_snapshot are read and written as text. */
export interface Tables {
  captured_table: {
    id: GeneratedAlways<number>
    relation: string
    identity: string
    definition: string
    /** Columns that the trigger omits; null if an older version installed it. */
    redacted: string[] | null
  }
  model_capture: {
    identity: string
    table_name: string
    table_id: number | null
    fault: string | null
    since: Timestamp
  }
  tick: { id: string; snapshot: string; at: Timestamp; slot: number }
  state: {
    singleton: ColumnType<boolean, never, never>
    epoch: number
    system_identifier: string | null
    database_oid: number | null
    timeline: string | null
    table_oid: number | null
    slot_seconds: number
    oldest_tick: string
  }
  consumer: {
    name: string
    tick: string
    seq: string
    updated_at: Timestamp
    gap: 'gap' | 'epoch' | null
    /** Of the backend of the process that reads; null for the publisher, whose lease tells, and before the first claim. */
    pid: number | null
    backend_start: ColumnType<Date | null, Date | string | null, Date | string | null>
  }
  lease: {
    singleton: ColumnType<boolean, boolean | undefined, never>
    node: string
    pid: number
    renewed_at: Timestamp
    term: ColumnType<string, string | undefined, string>
    backend_start: ColumnType<Date | null, Date | string | null, Date | string | null>
  }
  node: {
    id: string
    host: string
    pid: number
    role: string
    tick: string
    started_at: Timestamp
    seen_at: Timestamp
    sockets: number | null
    /** Ids of the captured tables that it publishes; null for a node of an older version. */
    captured: number[] | null
    /** Package version; null for a node of an older version. */
    version: string | null
    /** JSON text; null for a node of an older version. */
    health: string | null
  }
  pause: {
    identity: string
    paused_at: Timestamp
    resumed_at: ColumnType<Date | null, Date | string | null, Date | string | null>
    withheld: ColumnType<string, string | undefined, string>
  }
}

type Timestamp = ColumnType<Date, Date | string, Date | string>

/** A node that has not reported for this long is removed. */
export const NODE_TTL_SECONDS = 30
