import type { TypeParsers } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'

/** The parts of a live Waterline model (`ontology.collections.user`, `sails.models.user`) that are used here. */
export interface WaterlineCollection {
  readonly identity: string
  readonly tableName: string
  readonly primaryKey: string
  readonly datastore: string
  /** As written in the model's definition. */
  readonly attributes: Readonly<Record<string, WaterlineAttribute>>
  /** As waterline-schema completed them: column names, references. */
  readonly schema: Readonly<Record<string, WaterlineAttribute>>
  readonly junctionTable?: boolean
  readonly customToJSON?: (this: object) => unknown
  readonly _adapter?: {
    readonly datastores?: Readonly<Record<string, WaterlineDatastore>>
  }
}

/** A datastore of sails-postgresql. */
export interface WaterlineDatastore {
  readonly config?: { readonly schemaName?: string }
  readonly driver?: { readonly pg?: { readonly types?: TypeParsers } }
}

export interface WaterlineAttribute {
  readonly type?: string
  readonly columnName?: string
  /** `true`, or the id of the encryption key. */
  readonly encrypt?: boolean | string
  /** Sails' own marker for attributes that clients must not receive, such as passwords. */
  readonly protect?: boolean
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

/**
 * The collections of an `ontology`, `ontology.collections` or `sails.models`. Throws `E_MODEL` for anything else, such as
 * model definitions that Waterline has not loaded.
 */
export function collectionsOf(source: object): WaterlineCollection[] {
  const { collections } = (source ?? {}) as { collections?: unknown }
  const keyed = isDictionary(collections) && !isCollection(collections) ? collections : source
  if (!isDictionary(keyed) || Object.keys(keyed).length === 0) throw noCollections()
  return Object.entries(keyed).map(([key, value]) => {
    if (!isCollection(value)) throw notACollection(key)
    return value
  })
}

function isCollection(value: unknown): value is WaterlineCollection {
  if (value === null || typeof value !== 'object') return false
  const { identity, tableName, primaryKey, datastore, attributes, schema } = value as Partial<WaterlineCollection>
  const names = [identity, tableName, primaryKey, datastore]
  return (
    names.every(name => typeof name === 'string' && name !== '') && isDictionary(attributes) && isDictionary(schema)
  )
}

const isDictionary = (value: unknown): value is object => value !== null && typeof value === 'object'

const EXPECTED =
  'Pass `ontology.collections` of an initialised Waterline, or `sails.models` once the ORM hook has loaded.'

const noCollections = () => new ChangefeedError('E_MODEL', `The object contains no Waterline collections. ${EXPECTED}`)

const notACollection = (key: string) =>
  new ChangefeedError('E_MODEL', `\`${key}\` is not an initialised Waterline collection. ${EXPECTED}`)
