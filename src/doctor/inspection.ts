import type { ConsumerStatus } from '../change-log/consumers.ts'
import type { Lag } from '../change-log/lag.ts'
import type { ForeignRight } from '../db/foreign-rights.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { InstallationPlan } from '../installation.ts'
import type { ForeignHolder } from '../leader/gate-holders.ts'
import type { Lease } from '../leader/lease.ts'
import type { Node } from '../leader/nodes.ts'
import type { Model } from '../models/model.ts'
import type { SuspectedSecrets } from '../models/suspected-secrets.ts'
import type { Pause } from '../pipeline/pauses.ts'
import type { FormatCommand } from '../printed-command.ts'
import type { UnindexedReference } from './unindexed.ts'

/** The input of all checks, read at one time. */
export interface Inspection {
  readonly schema: string
  readonly formatCommand: FormatCommand
  readonly retentionMs: number
  readonly backlogLimitBytes: number
  readonly server: ServerState
  readonly models: readonly ModelState[]
  readonly plan: InstallationPlan
  readonly unindexed: readonly UnindexedReference[]
  /** Published attributes that are named like secrets. */
  readonly secrets: readonly SuspectedSecrets[]
  /** Null if our schema is missing or outdated. */
  readonly log: LogState | null
}

export interface ServerState {
  readonly version: number
  readonly standby: boolean
  /** How far the clock of the database server is ahead of this machine's. */
  readonly clockAheadMs: number
  /** Whether a NOTIFY is received on the listening connection. */
  readonly notifies: boolean
  /** Roles and databases whose sessions start with session_replication_role = replica, for example `role app`. */
  readonly replicaSessions: readonly string[]
  /** Logical replication subscriptions that apply changes to this database. */
  readonly subscriptions: readonly string[]
  /** Publications that include our tables, such as those for all tables. */
  readonly publications: readonly string[]
}

export interface ModelState {
  readonly model: Model
  readonly shape: TableShape | undefined
  /** Other schemas with a table of that name. */
  readonly elsewhere: readonly string[]
  /** The schema name of the model itself, which Waterline ignores. */
  readonly ownSchemaName: string | undefined
}

export interface LogState {
  readonly lag: Lag
  readonly bytes: number
  /** Configured length of a slot of the change log, in seconds. */
  readonly slotSeconds: number
  /** The current or last leader; null if there has been none. */
  readonly leader: Lease | null
  readonly nodes: readonly Node[]
  readonly gateHolders: readonly ForeignHolder[]
  readonly pauses: readonly Pause[]
  readonly consumers: readonly ConsumerStatus[]
  /** Privileges on our schema held by a role that is neither its owner nor a listener's role. */
  readonly foreignRights: readonly ForeignRight[]
}
