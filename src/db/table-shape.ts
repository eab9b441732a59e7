/** The catalog's description of a table, as capture and decode need it. */
export interface TableShape {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: 'table' | 'partitioned' | 'view' | 'foreign' | 'other'
  readonly isPartition: boolean
  /** Its rows are lost in a crash of the server. */
  readonly unlogged: boolean
  /** In attnum order, without dropped columns. */
  readonly columns: ReadonlyMap<string, ColumnShape>
  /** Column lists of the valid, non-partial, non-deferrable unique indexes; the primary key first. */
  readonly uniqueKeys: readonly (readonly string[])[]
}

export interface ColumnShape {
  readonly name: string
  /** pg_attribute.attnum, which survives a rename. */
  readonly number: number
  readonly type: TypeShape
  readonly notNull: boolean
  readonly generated: 'no' | 'stored' | 'virtual'
}

/** A type and the parts that determine its text form: a domain's base, an array's element, a composite's fields. */
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
