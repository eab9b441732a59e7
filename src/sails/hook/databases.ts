import type { AddressParts, ServerAddress } from '../../db/connect.ts'
import { ChangefeedError } from '../../errors.ts'
import type { SailsDatastore, SailsModel } from './sails-app.ts'

/** The models of an app in one Postgres database, which may be spread over several datastores. */
export interface AppDatabase {
  readonly datastores: readonly string[]
  readonly address: ServerAddress
  readonly models: Record<string, SailsModel>
  readonly pools: readonly unknown[]
}

export interface AppDatabases {
  readonly databases: readonly AppDatabase[]
  /** Datastores that are not Postgres. */
  readonly others: readonly string[]
}

/** `own`: address for the feed's connections, if configured. Only for apps with one database. */
export async function databasesOf(models: AppModels, own?: ServerAddress): Promise<AppDatabases> {
  const names = [...new Set(Object.values(models).map(({ datastore }) => datastore))]
  const postgres = names.filter(name => isPostgres(models, name))
  const groups = await sameDatabase(models, postgres)
  if (own !== undefined && groups.length > 1) throw ambiguous(postgres)
  return {
    databases: groups.map(({ address, datastores }) => databaseOf(models, datastores, own ?? address)),
    others: names.filter(name => !postgres.includes(name)),
  }
}

type AppModels = Readonly<Record<string, SailsModel>>

interface Group {
  readonly address: AddressParts
  readonly datastores: string[]
}

/** Groups datastores by database, because a database has one feed. Addresses may differ: `localhost` and `127.0.0.1`, or two roles. */
async function sameDatabase(models: AppModels, names: readonly string[]): Promise<Group[]> {
  const groups = new Map<string, Group>()
  for (const name of names) {
    const datastore = datastoreOf(models, name)
    const address = addressOf(name, datastore)
    const key = names.length > 1 ? await identityOf(datastore, address) : name
    const group = groups.get(key) ?? { address, datastores: [] }
    group.datastores.push(name)
    groups.set(key, group)
  }
  return [...groups.values()]
}

/** Falls back to the address if the database cannot be queried. */
async function identityOf(datastore: SailsDatastore | undefined, address: AddressParts): Promise<string> {
  const { host, port, database } = address
  const place = `${host}:${port}/${database}`
  try {
    const result = await datastore?.manager?.pool?.query?.(IDENTITY)
    return result?.rows[0]?.it ?? place
  } catch {
    return place
  }
}

const IDENTITY = `
  select oid || ' of ' || pg_catalog.pg_postmaster_start_time() as it
  from pg_catalog.pg_database where datname = pg_catalog.current_database()`

function databaseOf(models: AppModels, datastores: string[], address: ServerAddress): AppDatabase {
  const own = Object.entries(models).filter(([, { datastore }]) => datastores.includes(datastore))
  return {
    datastores,
    address,
    models: Object.fromEntries(own),
    pools: datastores.map(name => datastoreOf(models, name)?.manager?.pool),
  }
}

const isPostgres = (models: AppModels, name: string) =>
  Object.values(models).some(model => model.datastore === name && model._adapter?.identity === 'sails-postgresql')

const datastoreOf = (models: AppModels, name: string): SailsDatastore | undefined =>
  Object.values(models).find(({ datastore }) => datastore === name)?._adapter?.datastores?.[name]

/**
 * The connection settings that the adapter derived from the datastore's `url` or from `host`, `user` and so on. The feed
 * connects as the app does. node-postgres keeps them in the pool's options; `password` is not enumerable there.
 */
function addressOf(name: string, datastore: SailsDatastore | undefined): AddressParts {
  const { host, port, user, password, database, ssl } = datastore?.manager?.pool?.options ?? {}
  if (host === undefined) throw unknownServer(name)
  return {
    host,
    ...(port !== undefined && { port: Number(port) }),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password: String(password) }), // Sails parses a password of digits as a number
    ...(database !== undefined && { database }),
    ...(ssl !== undefined && { ssl }),
  }
}

const unknownServer = (name: string) =>
  new ChangefeedError(
    'E_OPTIONS',
    `The connection settings of datastore \`${name}\` cannot be read from its adapter. Set \`sails.config.changefeed.connectionString\` to its URL.`,
  )

const ambiguous = (names: readonly string[]) =>
  new ChangefeedError(
    'E_OPTIONS',
    `\`sails.config.changefeed.connectionString\` requires an app with one Postgres database, but its datastores are in several: ${names.join(', ')}. Remove the setting.`,
  )
