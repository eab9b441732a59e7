import type { Attribute } from './model.ts'

/** What we rely on in a live Waterline model (`ontology.collections.user`, `sails.models.user`). */
export interface WaterlineCollection {
  readonly identity: string
  readonly tableName: string
  readonly primaryKey: string
  readonly datastore: string
  /** As the app wrote them. */
  readonly attributes: Readonly<Record<string, WaterlineAttribute>>
  /** As waterline-schema completed them: column names, references. */
  readonly schema: Readonly<Record<string, WaterlineAttribute>>
  readonly junctionTable?: boolean
  readonly customToJSON?: (this: object) => unknown
  readonly _adapter?: {
    readonly datastores?: Readonly<Record<string, { readonly config?: { readonly schemaName?: string } }>>
  }
}

export interface WaterlineAttribute {
  readonly type?: Attribute['type']
  readonly columnName?: string
  /** `true`, or the name of the key. */
  readonly encrypt?: boolean | string
  readonly autoCreatedAt?: boolean
  readonly autoUpdatedAt?: boolean
  readonly model?: string
  readonly collection?: string
  readonly via?: string
  readonly through?: string
  /** In `schema` only: the model that holds the links, and its column that holds this side's primary key. */
  readonly referenceIdentity?: string
  readonly on?: string
}

export function isCollection(value: unknown): value is WaterlineCollection {
  if (value === null || typeof value !== 'object') return false
  const { identity, tableName, primaryKey, datastore, attributes, schema } = value as Partial<WaterlineCollection>
  const names = [identity, tableName, primaryKey, datastore]
  return (
    names.every(name => typeof name === 'string' && name !== '') && isDictionary(attributes) && isDictionary(schema)
  )
}

const isDictionary = (value: unknown) => value !== null && typeof value === 'object'
