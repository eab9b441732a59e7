import pg from 'pg'
import { installCapture } from '../../../src/capture/apply.ts'
import type { CaptureOptions, InstallFlags } from '../../../src/capture/capture-options.ts'
import { migrateSchema } from '../../../src/db/migrate.ts'
import type { Attribute, Model, Models } from '../../../src/models/model.ts'
import { type ModelOptions, selectModels } from '../../../src/models/selection.ts'
import { attributeOf } from '../../helpers/attribute.ts'
import { copiedDatabase, type TestDatabase, testDatabase } from '../../helpers/database.ts'

/** The most difficult name that the option `schema` allows. */
export const SCHEMA = 'Odd "Sch'

export const our = (name: string, schema = SCHEMA) => `${pg.escapeIdentifier(schema)}.${name}`

/** A database with only our schema. `encoding`: {@link TestDatabaseOptions.encoding}. */
export async function feedDatabase(schema = SCHEMA, encoding = ''): Promise<TestDatabase> {
  const migrate = async (connectionString: string) =>
    void (await migrateSchema({ connectionString, applicationName: 'test' }, schema))
  if (encoding === '') return await copiedDatabase(`our schema ${schema}`, migrate)
  const database = await testDatabase({ encoding })
  await migrate(database.connectionString)
  return database
}

interface ModelParts {
  readonly table?: string
  readonly schema?: string
  readonly primaryKey?: string
  /** Columns by attribute. */
  readonly columns?: Readonly<Record<string, string>>
  readonly encrypt?: readonly string[]
}

export function modelOf(identity: string, parts: ModelParts = {}): Model {
  const { primaryKey = 'id', columns = { id: 'id', name: 'name', password: 'password' }, encrypt = [] } = parts
  const attributes = Object.entries(columns).map(
    ([name, column]): Attribute => attributeOf({ name, column, encrypt: encrypt.includes(name) }),
  )
  return {
    identity,
    datastore: 'default',
    schema: parts.schema ?? 'public',
    table: parts.table ?? identity,
    primaryKey,
    attributes: new Map(attributes.map(attribute => [attribute.name, attribute])),
    associations: [],
    linkedCollections: [],
    readers: 'all',
  }
}

export const modelsOf = (...models: readonly Model[]): Models => new Map(models.map(model => [model.identity, model]))

interface OptionParts extends Partial<Omit<CaptureOptions, 'models'>>, InstallFlags {
  readonly of?: Readonly<Record<string, ModelOptions>>
}

/** The tests of capture run once for each mode: `TEST_CAPTURE=statement` is that of the project `statement`. */
export const MODE = process.env.TEST_CAPTURE === 'statement' ? 'statement' : 'row'

export const captureOptions = ({ of = {}, ...rest }: OptionParts = {}): CaptureOptions & InstallFlags => ({
  schema: SCHEMA,
  noopUpdates: 'publish',
  capture: MODE,
  ...rest,
  models: new Map(Object.entries(of)),
})

/** Installs over a separate connection. */
export async function capture(database: TestDatabase, models: readonly Model[], options: OptionParts = {}) {
  const settings = captureOptions(options)
  const known = modelsOf(...models)
  const ofKnown = new Map([...settings.models].filter(([identity]) => known.has(identity)))
  const selected = selectModels(known, { only: null, except: new Set(), options: ofKnown })
  return await installCapture(await database.connect(), selected, settings)
}

export interface Logged {
  readonly op: string
  readonly old: Record<string, unknown> | null
  readonly new: Record<string, unknown> | null
  readonly origin: string | null
  readonly annotations: string | null
  readonly defect: string | null
  readonly xid: string
  readonly table_id: number
}

/** The change log in insertion order. */
export async function logged(database: TestDatabase, schema = SCHEMA): Promise<Logged[]> {
  const rows = await database.query<Record<keyof Logged, string | null>>(
    `select operation::text as op, old, new, origin, annotations, defect, xid::text, table_id from ${our('change', schema)} order by seq`,
  )
  return rows.map(row => ({ ...row, old: parsed(row.old), new: parsed(row.new) }) as unknown as Logged)
}

/** As {@link logged}, with each change in the short form `I null -> {...}`. */
export async function loggedChanges(database: TestDatabase, schema = SCHEMA) {
  return (await logged(database, schema)).map(change => [change.op, change.old, change.new])
}

/**
 * What a mode logs for an UPDATE of the primary key: statement triggers pair rows by their key, so a row whose key changes
 * is two changes.
 */
export const KEY_UPDATE = MODE === 'row' ? ['U'] : ['D', 'I']

/** Triggers that a mode has on a table. */
export const TRIGGERS = MODE === 'row' ? 3 : 5

/** Without the mark of rows whose columns were looked up. */
function parsed(text: string | null): unknown {
  if (text === null) return null
  const { '': _, ...row } = JSON.parse(text)
  return row
}

export async function triggersIn(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ it: string }>(
    `select tgrelid::regclass || ' ' || tgname as it from pg_trigger where not tgisinternal order by 1`,
  )
  return rows.map(({ it }) => it)
}

export async function functionsIn(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ proname: string }>(
    `select proname from pg_proc where proname like 'capture\\_%' order by 1`,
  )
  return rows.map(({ proname }) => proname)
}
