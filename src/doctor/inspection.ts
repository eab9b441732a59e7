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

/** Everything that the checks look at, read at one time. */
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
  /** Null where our schema is missing or behind. */
  readonly log: LogState | null
}

export interface ServerState {
  readonly version: number
  readonly standby: boolean
  /** How far the clock of the database server is ahead of this machine's. */
  readonly clockAheadMs: number
  /** Whether a NOTIFY came back on the connection that listens for it. */
  readonly notifies: boolean
  /** Roles and databases whose sessions begin with session_replication_role = replica, as `role app`. */
  readonly replicaSessions: readonly string[]
  /** Logical replication subscriptions that apply changes to this database. */
  readonly subscriptions: readonly string[]
  /** Publications of which our tables are a part, as they are of one for all tables. */
  readonly publications: readonly string[]
}

export interface ModelState {
  readonly model: Model
  readonly shape: TableShape | undefined
  /** Other schemas that have a table of that name. */
  readonly elsewhere: readonly string[]
  /** What the model itself says, and Waterline ignores. */
  readonly ownSchemaName: string | undefined
}

export interface LogState {
  readonly lag: Lag
  readonly bytes: number
  /** Length of a slot of the change log, in seconds, as it is set. */
  readonly slotSeconds: number
  /** Who leads, or led last; null where nobody has led yet. */
  readonly leader: Lease | null
  readonly nodes: readonly Node[]
  readonly gateHolders: readonly ForeignHolder[]
  readonly pauses: readonly Pause[]
  /** Rights on our schema that neither its owner nor a role of a listener has. */
  readonly foreignRights: readonly ForeignRight[]
}
