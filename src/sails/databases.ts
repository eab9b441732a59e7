import { ChangefeedError } from '../errors.ts'
import type { SailsDatastore, SailsModel } from './sails-app.ts'

/** The models of an app that are in one Postgres database, whatever datastores they go through. */
export interface AppDatabase {
  readonly datastores: readonly string[]
  readonly connectionString: string
  readonly models: Record<string, SailsModel>
  readonly pools: readonly unknown[]
}

export interface AppDatabases {
  readonly databases: readonly AppDatabase[]
  /** Datastores of other kinds. */
  readonly others: readonly string[]
}

/** `override`: the connection string of the feed's own connections, where the app has one database. */
export async function databasesOf(models: Record<string, SailsModel>, override?: string): Promise<AppDatabases> {
  const names = [...new Set(Object.values(models).map(({ datastore }) => datastore))]
  const postgres = names.filter(name => isPostgres(models, name))
  const groups = await sameDatabase(models, postgres)
  if (override !== undefined && groups.length > 1) throw ambiguous(postgres)
  return {
    databases: groups.map(({ url, datastores }) => databaseOf(models, datastores, override ?? url)),
    others: names.filter(name => !postgres.includes(name)),
  }
}

interface Group {
  readonly url: string
  readonly datastores: string[]
}

/** One database may have several names, and only one feed: `localhost` and `127.0.0.1`, or two roles. */
async function sameDatabase(models: Record<string, SailsModel>, names: readonly string[]): Promise<Group[]> {
  const groups = new Map<string, Group>()
  for (const name of names) {
    const datastore = datastoreOf(models, name)
    const url = connectionStringOf(name, datastore)
    const key = names.length > 1 ? await identityOf(datastore, url) : url
    const group = groups.get(key) ?? { url, datastores: [] }
    group.datastores.push(name)
    groups.set(key, group)
  }
  return [...groups.values()]
}

/** By its URL where it cannot be asked. */
async function identityOf(datastore: SailsDatastore | undefined, url: string): Promise<string> {
  const pool = datastore?.manager?.pool as Partial<Asked> | undefined
  try {
    const result = await pool?.query?.(IDENTITY)
    return result?.rows[0]?.it ?? url
  } catch {
    return url
  }
}

interface Asked {
  query(sql: string): Promise<{ readonly rows: readonly { readonly it: string }[] }>
}

const IDENTITY = `
  select oid || ' of ' || pg_catalog.pg_postmaster_start_time() as it
  from pg_catalog.pg_database where datname = pg_catalog.current_database()`

function databaseOf(models: Record<string, SailsModel>, datastores: string[], connectionString: string): AppDatabase {
  const own = Object.entries(models).filter(([, { datastore }]) => datastores.includes(datastore))
  return {
    datastores,
    connectionString,
    models: Object.fromEntries(own),
    pools: datastores.map(name => datastoreOf(models, name)?.manager?.pool),
  }
}

const isPostgres = (models: Record<string, SailsModel>, name: string) =>
  Object.values(models).some(model => model.datastore === name && model._adapter?.identity === 'sails-postgresql')

const datastoreOf = (models: Record<string, SailsModel>, name: string): SailsDatastore | undefined =>
  Object.values(models).find(({ datastore }) => datastore === name)?._adapter?.datastores?.[name]

/** The adapter takes URLs without or with any protocol, and TLS settings beside them. */
function connectionStringOf(name: string, datastore: SailsDatastore | undefined): string {
  const given = datastore?.manager?.connectionString
  if (typeof given !== 'string') throw unknownServer(name)
  const url = new URL(`postgresql://${given.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')}`)
  const mode = sslMode(datastore?.config?.ssl)
  if (mode && !url.searchParams.has('sslmode')) url.searchParams.set('sslmode', mode)
  return url.href
}

function sslMode(ssl: unknown): string | undefined {
  if (!ssl) return undefined
  return (ssl as { rejectUnauthorized?: unknown }).rejectUnauthorized === false ? 'no-verify' : 'verify-full'
}

const unknownServer = (name: string) =>
  new ChangefeedError(
    'E_OPTIONS',
    `The server of datastore \`${name}\` is not known: set \`sails.config.changefeed.connectionString\` to its URL.`,
  )

const ambiguous = (names: readonly string[]) =>
  new ChangefeedError(
    'E_OPTIONS',
    `\`sails.config.changefeed.connectionString\` is for apps with one Postgres database; this one has several: ${names.join(', ')}.`,
  )
