import { storedName } from '../db/stored-name.ts'
import { ChangefeedError } from '../errors.ts'
import { readAssociations } from './associations.ts'
import { collectionsOf, type WaterlineAttribute, type WaterlineCollection } from './collection.ts'
import { type Attribute, type Model, type Models, pluralAssociations } from './model.ts'
import { columnClashes, tableClashes } from './name-clashes.ts'
import { isShownByDefault } from './visibility.ts'

export interface ReadModelsOptions {
  /** Postgres schema by datastore name. @default the datastore's `schemaName` */
  readonly schemas?: Readonly<Record<string, string>>
}

/**
 * Reads the models of an initialised Waterline: its `ontology`, `ontology.collections`, or `sails.models`, including the
 * junction tables that Waterline generated. Throws `E_MODEL` for anything else.
 *
 * @example
 * const models = readModels(ontology.collections)
 * models.get('user')?.table // 'users'
 */
export function readModels(source: object, options: ReadModelsOptions = {}): Models {
  const collections = collectionsOf(source)
  const byIdentity = new Map(collections.map(collection => [collection.identity, collection]))
  const read = collections.map(collection => readModel(collection, byIdentity, options))
  const plural = read.flatMap(pluralAssociations)
  return new Map(
    read.map(model => {
      const linkedCollections = plural.filter(({ linkModel }) => linkModel === model.identity)
      return [model.identity, { ...model, linkedCollections }]
    }),
  )
}

type Collections = ReadonlyMap<string, WaterlineCollection>

function readModel(
  collection: WaterlineCollection,
  collections: Collections,
  options: ReadModelsOptions,
): Omit<Model, 'linkedCollections'> {
  const attributes = readAttributes(collection, collections)
  if (!attributes.has(collection.primaryKey)) throw noPrimaryKey(collection)
  const junction = collection.junctionTable === true
  if (junction) requireTwoForeignKeys(collection)
  const customToJSON = collection.customToJSON
  const nameClashes = clashesOf(collection, collections)
  return {
    identity: collection.identity,
    datastore: collection.datastore,
    schema: storedName(options.schemas?.[collection.datastore] ?? schemaOf(collection)),
    table: storedName(collection.tableName),
    primaryKey: collection.primaryKey,
    attributes,
    associations: readAssociations(collection, collections),
    readers: 'all',
    ...(junction && { junction }),
    ...(customToJSON && { customToJSON }),
    ...(nameClashes.length > 0 && { nameClashes }),
  }
}

function clashesOf(collection: WaterlineCollection, collections: Collections): string[] {
  const columns = columnsOf(collection).map(([name, { columnName }]) => columnName ?? name)
  const neighbours = [...collections.values()].filter(({ datastore }) => datastore === collection.datastore)
  return [
    ...tableClashes(
      collection.tableName,
      neighbours.map(({ tableName }) => tableName),
    ),
    ...columnClashes(columns),
  ]
}

/** sails-postgresql only uses the datastore's setting: a model's `meta.schemaName` has no effect on its queries. */
function schemaOf({ _adapter, datastore }: WaterlineCollection): string {
  return _adapter?.datastores?.[datastore]?.config?.schemaName || 'public'
}

/** In the order of Waterline's transformer, which determines the key order of records. */
function readAttributes(collection: WaterlineCollection, collections: Collections): Map<string, Attribute> {
  return new Map(
    columnsOf(collection).map(([name, definition]) => {
      const attribute = readAttribute(name, definition, collections)
      const isShown = isShownByDefault(attribute, collection)
      return [name, { ...attribute, captured: isShown, visible: isShown }]
    }),
  )
}

const columnsOf = ({ schema }: WaterlineCollection) =>
  Object.entries(schema).filter(([, definition]) => !definition.collection)

function readAttribute(
  name: string,
  definition: WaterlineAttribute,
  collections: Collections,
): Omit<Attribute, 'captured' | 'visible'> {
  return {
    name,
    column: storedName(definition.columnName ?? name),
    type: typeOf(definition, collections),
    encrypt: Boolean(definition.encrypt),
    autoTimestamp: definition.autoCreatedAt === true || definition.autoUpdatedAt === true,
    ...(definition.protect === true && { protect: true as const }),
    ...(definition.model && { model: definition.model.toLowerCase() }),
  }
}

/** The type of the parent's primary key for foreign keys, because waterline-schema may set their *column* type as type. */
function typeOf({ type, model }: WaterlineAttribute, collections: Collections): Attribute['type'] {
  const known = TYPES.find(each => each === type)
  const parent = collections.get(model ?? '')
  const key = parent?.schema[parent.primaryKey]
  return known ?? (key && key.model !== model ? typeOf(key, collections) : 'ref')
}

const TYPES = ['string', 'number', 'boolean', 'json', 'ref'] as const

function requireTwoForeignKeys(junction: WaterlineCollection) {
  const ends = Object.values(junction.schema).filter(({ model }) => model)
  if (ends.length !== 2) throw oddJunction(junction, ends.length)
}

const noPrimaryKey = ({ identity, primaryKey }: WaterlineCollection) =>
  new ChangefeedError(
    'E_MODEL',
    `Model \`${identity}\` has no attribute \`${primaryKey}\`, its primary key. Set \`primaryKey\` to one of its attributes.`,
  )

const oddJunction = ({ identity }: WaterlineCollection, ends: number) =>
  new ChangefeedError(
    'E_MODEL',
    `The junction table \`${identity}\` has ${ends} foreign keys instead of 2. ` +
      'Give the two sides of this many-to-many association different attribute names.',
  )
