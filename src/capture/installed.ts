import type { RelationName } from './names.ts'

/** The capture in the catalog, and the tables to be captured. Read by `inspectCapture()`. */
export interface InstalledCapture {
  /** False where our schema does not exist yet. */
  readonly migrated: boolean
  readonly serverVersion: number
  /** The installing role. */
  readonly role: string
  /** Privileges on our schema that this role lacks, in the form of `grant`: `create on schema "changefeed"`. */
  readonly missingRights: readonly string[]
  /** The id of the next captured table. */
  readonly nextId: number
  readonly captured: readonly CapturedTable[]
  /** Identities of the models that a node has published since our schema was created. */
  readonly published: readonly string[]
  readonly nodes: readonly PublishingNode[]
  /** By the oid of a model's table. */
  readonly trees: ReadonlyMap<number, TableTree>
}

/** A running process with a feed in our schema. */
export interface PublishingNode {
  readonly host: string
  readonly pid: number
  /** Ids of the captured tables that it publishes; null if its version does not report them. */
  readonly captured: readonly number[] | null
}

export interface CapturedTable {
  readonly id: number
  readonly identity: string
  readonly definition: string
  /** Columns that it omits; null if an older version installed it. */
  readonly redacted: readonly string[] | null
  /** Null if the table was dropped. */
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
  /** Cloned by Postgres from a trigger of the partitioned table. */
  readonly cloned: boolean
}

export interface Relation extends RelationName {
  readonly oid: number
  readonly owner: string
  /** Whether the installing role has the privileges of the owner, which dropping a trigger requires. */
  readonly owned: boolean
  /** Whether the installing role may create a trigger. */
  readonly triggerRight: boolean
}

export interface TableTree {
  readonly root: Relation
  /** All partitions at any depth. None is a foreign table, since the partitioned table then has no unique index. */
  readonly partitions: readonly Relation[]
  /** Whether other tables inherit from it without being partitions. */
  readonly inherited: boolean
  /** Whether it inherits from another table or is a partition. */
  readonly inherits: boolean
  /** Whether an action of one of its foreign keys updates its rows. */
  readonly updatedByReferences: boolean
}
