import type { RelationName } from './names.ts'

/** What the catalog holds of capture, and of the tables that are to be captured. Read by `inspectCapture()`. */
export interface InstalledCapture {
  /** False where our schema does not exist yet. */
  readonly migrated: boolean
  readonly serverVersion: number
  /** The role that would install. */
  readonly role: string
  /** Rights on our schema that this role lacks, as `grant` names them: `create on schema "changefeed"`. */
  readonly missingRights: readonly string[]
  /** The id that the next captured table gets. */
  readonly nextId: number
  readonly captured: readonly CapturedTable[]
  /** Identities of the models that a node has published since our schema was made. */
  readonly published: readonly string[]
  readonly nodes: readonly PublishingNode[]
  /** By the oid of the table that a model stands for. */
  readonly trees: ReadonlyMap<number, TableTree>
}

/** A process that runs a feed in our schema now. */
export interface PublishingNode {
  readonly host: string
  readonly pid: number
  /** Ids of the captured tables that it publishes; null where its version does not say. */
  readonly captured: readonly number[] | null
}

export interface CapturedTable {
  readonly id: number
  readonly identity: string
  readonly definition: string
  /** Columns that it leaves out; null where an older version installed it. */
  readonly redacted: readonly string[] | null
  /** Null when the table was dropped. */
  readonly relation: Relation | null
  readonly function: InstalledFunction | null
  readonly triggers: readonly InstalledTrigger[]
}

export interface InstalledFunction {
  readonly source: string
  /** `name=value`, as in pg_proc.proconfig. */
  readonly settings: readonly string[]
  readonly securityDefiner: boolean
}

export interface InstalledTrigger {
  readonly name: string
  readonly relation: Relation
  readonly type: number
  readonly conditional: boolean
  readonly enabled: string
  /** Made by Postgres from the trigger of a partitioned table. */
  readonly cloned: boolean
}

export interface Relation extends RelationName {
  readonly oid: number
  readonly owner: string
  /** Whether the installing role acts as the owner, who alone may drop a trigger. */
  readonly owned: boolean
  /** Whether the installing role may create a trigger. */
  readonly triggerRight: boolean
}

export interface TableTree {
  readonly root: Relation
  /** All of them, at any depth; none is foreign, as a table with such has no unique index. */
  readonly partitions: readonly Relation[]
  /** Whether other tables inherit from it without being partitions. */
  readonly inherited: boolean
}
