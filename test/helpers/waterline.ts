import { promisify } from 'node:util'
import sailsPostgresql from 'sails-postgresql'
import Waterline from 'waterline'
import waterlineUtils from 'waterline-utils'
import { afterScope } from './scope.ts'

export interface WaterlineOptions {
  readonly connectionString: string
  /** Definitions by identity, as in a Sails app's `api/models`. The argument is not changed. */
  readonly models: Readonly<Record<string, ModelDefinition>>
  /** The datastore's `schemaName`. The schema must exist. */
  readonly schemaName?: string
  /** `drop` makes the tables, after dropping what is there. @default 'safe' */
  readonly migrate?: 'safe' | 'drop' | 'alter'
  /** Keys for `encrypt` attributes. */
  readonly dataEncryptionKeys?: Readonly<Record<string, string>>
}

/** `columnType`, `autoIncrement` and `unique` may stand beside `type`, as Sails allows. */
export interface ModelDefinition {
  readonly attributes: Readonly<Record<string, object>>
  readonly primaryKey?: string
  readonly tableName?: string
  readonly customToJSON?: (this: object) => unknown
  readonly [setting: string]: unknown
}

/** A live Waterline ORM. */
export interface Orm {
  // biome-ignore lint/suspicious/noExplicitAny: Waterline has no types
  readonly collections: Record<string, any>
  readonly datastores: Record<string, unknown>
}

export interface TestWaterline {
  readonly orm: Orm
  readonly collections: Orm['collections']
  /** Ends its connections. Called by itself at the end of the test or file. */
  stop(): Promise<void>
}

/** Waterline with sails-postgresql, its models prepared as Sails' ORM hook does it. */
export async function startWaterline(options: WaterlineOptions): Promise<TestWaterline> {
  const datastore = `test${++started}` // sails-postgresql keeps its datastores per process, by name
  const orm = await promisify(Waterline.start)({
    adapters: { 'sails-postgresql': sailsPostgresql },
    datastores: {
      [datastore]: {
        adapter: 'sails-postgresql',
        url: options.connectionString,
        // Its own creation of the schema fails.
        ...(options.schemaName && { schemaName: options.schemaName, createSchemas: false }),
      },
    },
    models: prepared(options.models),
    defaultModelSettings: {
      datastore,
      dataEncryptionKeys: options.dataEncryptionKeys ?? { default: Buffer.alloc(32, 7).toString('base64') },
    },
  })
  const stop = once(() => promisify(Waterline.stop)(orm))
  afterScope(stop)
  for (const { junctionTable, schema } of Object.values(orm.collections)) {
    // Waterline makes these up with a type that cannot count; in Sails the app's default `id` mends it.
    if (junctionTable) schema.id.autoMigrations.columnType = '_numberkey'
  }
  if (options.migrate) await promisify(waterlineUtils.autoMigrations)(options.migrate, orm)
  return { orm, collections: orm.collections, stop }
}

let started = 0

/** An attribute as people write it. */
interface Raw {
  readonly type?: string
  readonly model?: string
  readonly autoCreatedAt?: boolean
  readonly autoUpdatedAt?: boolean
  readonly columnType?: string
  readonly autoIncrement?: boolean
  readonly unique?: boolean
  readonly autoMigrations?: object
}

/** An attribute as the migrations want it. */
interface Prepared extends Raw {
  readonly autoMigrations: { columnType?: string; autoIncrement: boolean; unique: boolean }
}

interface Definition {
  readonly primaryKey: string
  readonly attributes: Readonly<Record<string, Prepared>>
}

/** What Sails' ORM hook does to definitions before Waterline sees them; Waterline keeps and changes its argument. */
function prepared(models: WaterlineOptions['models']): Record<string, Definition> {
  const definitions = Object.fromEntries(Object.entries(models).map(([identity, model]) => [identity, withId(model)]))
  for (const { attributes } of Object.values(definitions)) {
    for (const attribute of Object.values(attributes)) {
      const parent = attribute.model ? definitions[attribute.model] : undefined
      const derived = parent?.attributes[parent.primaryKey]?.autoMigrations.columnType
      if (derived) attribute.autoMigrations.columnType ??= derived
    }
  }
  return definitions
}

function withId({ primaryKey = 'id', attributes, ...settings }: ModelDefinition): Definition {
  const id = { id: { type: 'number', autoIncrement: true } }
  const all = { ...(primaryKey === 'id' && id), ...attributes }
  const entries = Object.entries(all).map(([name, definition]) => [name, toAttribute(definition, name === primaryKey)])
  return { ...settings, primaryKey, attributes: Object.fromEntries(entries) }
}

function toAttribute(definition: object, isPrimaryKey: boolean): Prepared {
  const { columnType, autoIncrement = false, unique = isPrimaryKey, autoMigrations, ...rest } = definition as Raw
  const type = columnType ?? columnTypeOf(rest, isPrimaryKey)
  return { ...rest, autoMigrations: { autoIncrement, unique, ...(type && { columnType: type }), ...autoMigrations } }
}

/** An association has none of its own: a foreign key takes its parent's. */
function columnTypeOf({ type, autoCreatedAt, autoUpdatedAt }: Raw, isPrimaryKey: boolean): string | undefined {
  if (!type) return undefined
  return `_${type}${isPrimaryKey ? 'key' : autoCreatedAt || autoUpdatedAt ? 'timestamp' : ''}`
}

function once(run: () => Promise<unknown>): () => Promise<void> {
  let result: Promise<unknown> | undefined
  return async () => {
    result ??= run()
    await result
  }
}
