/** What the Postgres catalog says of a table, in the terms that capture and decode need. */
export interface TableShape {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: 'table' | 'partitioned' | 'view' | 'foreign' | 'other'
  readonly isPartition: boolean
  /** Emptied by a crash of the server. */
  readonly unlogged: boolean
  /** In attnum order, dropped columns left out. */
  readonly columns: ReadonlyMap<string, ColumnShape>
  /** The column lists of the valid, non-partial, non-deferrable unique indexes; the primary key first. */
  readonly uniqueKeys: readonly (readonly string[])[]
}

export interface ColumnShape {
  readonly name: string
  /** pg_attribute.attnum: a column keeps it when it is renamed. */
  readonly number: number
  readonly type: TypeShape
  readonly notNull: boolean
  readonly generated: 'no' | 'stored' | 'virtual'
}

/** A type with what decides its text form: a domain carries its base, an array its element, a composite its fields. */
export type TypeShape =
  | { readonly kind: 'base' | 'enum' | 'range' | 'multirange'; readonly oid: number; readonly name: string }
  | { readonly kind: 'domain'; readonly oid: number; readonly name: string; readonly base: TypeShape }
  | {
      readonly kind: 'array'
      readonly oid: number
      readonly name: string
      readonly element: TypeShape
      readonly delimiter: string
    }
  | {
      readonly kind: 'composite'
      readonly oid: number
      readonly name: string
      readonly fields: readonly { readonly name: string; readonly type: TypeShape }[]
    }
