/**
 * A Waterline model as the feed sees it: the same shape whether Sails loaded it or plain Waterline did. Built once by
 * `readModels()` in model-map.ts; plain data but for `customToJSON`.
 */
export interface Model {
  /** Lower case, as in event and room names: `user`. */
  readonly identity: string
  readonly datastore: string
  /** Postgres schema (the datastore's `schemaName`, else `public`) and table, unquoted, as the catalog has them. */
  readonly schema: string
  readonly table: string
  /** Name of the primary key *attribute*. */
  readonly primaryKey: string
  /** Attributes that are columns, by attribute name. Plural associations are not here, see `associations`. */
  readonly attributes: ReadonlyMap<string, Attribute>
  readonly associations: readonly Association[]
  /** Set for a junction table that Waterline made up for a many-to-many or via-less collection. */
  readonly junction?: Junction
  readonly customToJSON?: (this: object) => unknown
  /** Names that the app tells apart and Postgres does not, each as a sentence. */
  readonly nameClashes?: readonly string[]
}

export interface Attribute {
  readonly name: string
  /** As the catalog has it. */
  readonly column: string
  readonly type: 'string' | 'number' | 'boolean' | 'json' | 'ref'
  readonly encrypt: boolean
  /** Marked `protect: true`: omitted unless the model's option `include` names it. */
  readonly protect?: true
  /** `autoCreatedAt` or `autoUpdatedAt`: a number timestamp arrives as a string from bigint columns, and is turned back. */
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
      /** Attribute of the children (of the through model, with `through`) that points back; absent for a via-less collection. */
      readonly via?: string
      /** Identity of the model whose rows are the links: an explicit through model or a made-up junction. Absent for one-to-many. */
      readonly through?: string
    }

/** The two ends of a made-up junction table; `alias` is absent on the far end of a via-less collection. */
export interface Junction {
  readonly ends: readonly [JunctionEnd, JunctionEnd]
}

export interface JunctionEnd {
  /** Attribute of the junction model that holds this end's primary key value. */
  readonly attribute: string
  readonly identity: string
  /** The collection attribute of `identity` whose members these rows are. */
  readonly alias?: string
}

export type Models = ReadonlyMap<string, Model>

/** A record by attribute name, values as `Model.findOne()` returns them. */
export type ModelRecord = Record<string, unknown>

export type RecordId = string | number
