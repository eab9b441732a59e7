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
  /** Set for a junction table that Waterline generated for a many-to-many or via-less collection. */
  readonly junction?: Junction
  readonly customToJSON?: (this: object) => unknown
  /** Names that are distinct in the app and equal in Postgres, each as a sentence. */
  readonly nameClashes?: readonly string[]
}

export interface Attribute {
  readonly name: string
  /** As in the catalog. */
  readonly column: string
  readonly type: 'string' | 'number' | 'boolean' | 'json' | 'ref'
  readonly encrypt: boolean
  /** Marked `protect: true`: omitted unless the model's option `include` names it. */
  readonly protect?: true
  /** `autoCreatedAt` or `autoUpdatedAt`. A number timestamp in a bigint column is read as a string and converted. */
  readonly autoTimestamp: boolean
  /** Identity of the other side of a to-one association. */
  readonly model?: string
}

export type Association =
  | { readonly type: 'model'; readonly alias: string; readonly model: string }
  | {
      readonly type: 'collection'
      readonly alias: string
      /** Identity of the children. */
      readonly collection: string
      /** Attribute of the children (with `through`: of the through model) that references the parent; absent for a via-less collection. */
      readonly via?: string
      /** Identity of the model whose rows are the links: an explicit through model or a generated junction. Absent for one-to-many. */
      readonly through?: string
    }

/** The two ends of a generated junction table; `alias` is absent on the far end of a via-less collection. */
export interface Junction {
  readonly ends: readonly [JunctionEnd, JunctionEnd]
}

export interface JunctionEnd {
  /** Attribute of the junction model that holds this end's primary key value. */
  readonly attribute: string
  readonly identity: string
  /** The collection attribute of `identity` whose members these rows define. */
  readonly alias?: string
}

export type Models = ReadonlyMap<string, Model>

/** A record by attribute name, values as `Model.findOne()` returns them. */
export type ModelRecord = Record<string, unknown>

export type RecordId = string | number
