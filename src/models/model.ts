/**
 * A Waterline model, in the same shape for Sails and plain Waterline. Built once by `readModels()`. Plain data except for
 * `customToJSON`.
 */
export interface Model {
  /** Lower case, as in event and room names: `user`. */
  readonly identity: string
  readonly datastore: string
  /** Postgres schema (the datastore's `schemaName`, or `public`) and table, unquoted, as in the catalog. */
  readonly schema: string
  readonly table: string
  /** Name of the primary key *attribute*. */
  readonly primaryKey: string
  /** Attributes that are columns, by attribute name. For plural associations see `associations`. */
  readonly attributes: ReadonlyMap<string, Attribute>
  readonly associations: readonly Association[]
  /** Collections of all models whose links are rows of this model. */
  readonly linkedCollections: readonly Collection[]
  /** Set for a junction table that Waterline generated for a many-to-many or via-less collection. */
  readonly junction?: true
  readonly customToJSON?: (this: object) => unknown
  /**
   * The clients that may read its records: all, those that a policy of the app allows, or only those that the app's own code
   * subscribes.
   */
  readonly readers: 'all' | 'some' | 'none'
  /** Names that are distinct in the app and equal in Postgres, each as a sentence. */
  readonly nameClashes?: readonly string[]
}

export interface Attribute {
  readonly name: string
  /** As in the catalog. */
  readonly column: string
  readonly type: 'string' | 'number' | 'boolean' | 'json' | 'ref'
  readonly encrypt: boolean
  /** Marked `protect: true`: neither captured nor visible unless the option `include` names it. */
  readonly protect?: true
  /** Whether the trigger logs its column. See `visibility.ts`. */
  readonly captured: boolean
  /** Whether its value may leave the process, as far as `customToJSON` returns it. See `visibility.ts`. */
  readonly visible: boolean
  /** `autoCreatedAt` or `autoUpdatedAt`. A number timestamp in a bigint column is read as a string and converted. */
  readonly autoTimestamp: boolean
  /** Identity of the other side of a to-one association. */
  readonly model?: string
}

export type Association = ForeignKey | Collection

export interface ForeignKey {
  readonly type: 'model'
  readonly alias: string
  /** Identity of the parent. */
  readonly model: string
}

/** A plural association. Its links are the rows that define which child belongs to which parent. */
export interface Collection {
  readonly type: 'collection'
  /** Identity of the model that has this association. */
  readonly parent: string
  readonly alias: string
  /** Identity of the children. */
  readonly collection: string
  /** Whether the links are the children themselves. Otherwise they are rows of a through model or of a junction table. */
  readonly oneToMany: boolean
  /** Identity of the model whose rows are the links. */
  readonly linkModel: string
  /** Attribute of the links that holds the id of the parent. */
  readonly parentAttribute: string
  /** Attribute of the links that holds the id of the child. Absent if the through model has none. */
  readonly childAttribute?: string
  /** The child's association over the same links: its foreign key, or its own collection. Absent if the child has none. */
  readonly inverse?: string
}

/** Identity of the model at the other end. */
export const targetOf = (association: Association): string =>
  association.type === 'model' ? association.model : association.collection

export const pluralAssociations = ({ associations }: Pick<Model, 'associations'>): Collection[] =>
  associations.filter(association => association.type === 'collection')

export type Models = ReadonlyMap<string, Model>

/** A record by attribute name, values as `Model.findOne()` returns them. */
export type ModelRecord = Record<string, unknown>

export type RecordId = string | number
