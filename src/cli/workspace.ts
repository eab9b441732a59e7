import { type Changefeed, createChangefeed } from '../changefeed.ts'
import { type Database, openDatabase, type ServerAddress } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'
import { Installation } from '../installation.ts'
import type { Model, Models } from '../ontology/model.ts'
import { readModels } from '../ontology/model-map.ts'
import { selectModels } from '../ontology/selection.ts'
import { addressOption, type ChangefeedOptions, parseOptions, type Settings } from '../options.ts'
import { loadApplication } from './application.ts'
import type { Application } from './loaded-application.ts'
import type { ProgramSettings } from './settings.ts'

/** The database and the models that a command works with, each loaded when it is first asked for. */
export class Workspace {
  readonly settings: ProgramSettings
  #application: Promise<Application> | null = null
  #database: Database | null = null

  constructor(settings: ProgramSettings) {
    this.settings = settings
  }

  application(): Promise<Application> {
    this.#application ??= loadApplication(this.settings)
    return this.#application
  }

  /** Where nothing names a database, the app's own is meant. Throws `E_OPTIONS`. */
  async address(): Promise<ServerAddress> {
    const { connectionString, feed } = this.settings
    if (connectionString !== undefined) return { connectionString }
    if (feed.connection !== undefined) return feed.connection
    const { address } = await this.application().catch(error => {
      throw error instanceof ChangefeedError && error.code === 'E_OPTIONS' ? NO_DATABASE : error
    })
    if (address === undefined) throw NO_DATABASE
    return address
  }

  /** A small pool, for everything but the feed itself. */
  async database(purpose: string): Promise<Database> {
    const address = await this.address()
    const applicationName = `waterline-changefeed ${purpose}`
    const { schemaOwner } = this.settings.feed
    this.#database ??= openDatabase({ ...address, schemaOwner, applicationName }, this.settings.schema)
    return this.#database
  }

  /** Throws `E_NOT_INSTALLED` where our schema is missing or behind. */
  async installedDatabase(purpose: string): Promise<Database> {
    const db = await this.database(purpose)
    await (await this.#installation()).check(db)
    return db
  }

  async feed(options: Partial<ChangefeedOptions> = {}): Promise<Changefeed> {
    return createChangefeed(await this.#feedOptions(options))
  }

  /** The options of the feed with all their defaults, and the models that it captures. */
  async feedSettings(): Promise<{ settings: Settings; models: Models }> {
    const settings = parseOptions(await this.#feedOptions({}))
    return { settings, models: selectModels(readModels(settings.collections), settings.models) }
  }

  /** Needs no models: what is there is taken away, whoever asked for it. */
  async uninstall(): Promise<void> {
    await (await this.#installation()).uninstall()
  }

  async close(): Promise<void> {
    await this.#database?.close()
    const application = await this.#application?.catch(() => null)
    await application?.stop()
  }

  async #installation(): Promise<Installation> {
    const { schema } = this.settings
    const address = addressOption(await this.address())
    const settings = parseOptions({ ...withoutAddress(this.settings.feed), ...address, schema, collections: {} })
    const { connection, schemaOwner } = settings
    const applicationName = 'waterline-changefeed install'
    return new Installation(settings, new Map(), { ...connection, schemaOwner, applicationName })
  }

  async #feedOptions(options: Partial<ChangefeedOptions>): Promise<ChangefeedOptions> {
    const { feed, schema, models, only } = this.settings
    const { collections, options: ofTheApp } = await this.application()
    const configured = (models as ChangefeedOptions['models']) ?? ofTheApp.models
    const selection = only ? narrowed(configured, only, collections) : configured
    const address = await this.address()
    return {
      ...ofTheApp,
      ...withoutAddress(feed),
      ...(selection && { models: selection }),
      ...{ schema, collections, ...addressOption(address) },
      ...options,
    }
  }
}

type Selection = NonNullable<ChangefeedOptions['models']>

/** What the config says of a model, such as what to omit, holds also where the command line says which models. */
function narrowed(configured: Selection | undefined, only: readonly string[], collections: object): Selection {
  if (configured === undefined || Array.isArray(configured)) return only
  const said = Object.entries(configured).map(([name, value]) => {
    const identity = name.toLowerCase()
    return [identity, only.includes(identity) ? value || true : value] as const
  })
  const isOut = ({ identity, junction }: Model) =>
    !only.includes(identity) && !junction?.ends.some(end => only.includes(end.identity))
  const out = [...readModels(collections).values()].filter(isOut).map(({ identity }) => [identity, false] as const)
  const named = only.map(identity => [identity, true] as const)
  return Object.fromEntries([...named, ...said, ...out])
}

const withoutAddress = ({ connection: _, ...feed }: Partial<ChangefeedOptions>): Partial<ChangefeedOptions> => feed

const NO_DATABASE = new ChangefeedError(
  'E_OPTIONS',
  'Nothing names the database: set DATABASE_URL, pass --database-url, or name a Sails app with a Postgres datastore with --app.',
)

/** Opens a workspace for as long as `use` takes. */
export async function withWorkspace<T>(
  settings: ProgramSettings,
  use: (workspace: Workspace) => Promise<T>,
): Promise<T> {
  const workspace = new Workspace(settings)
  try {
    return await use(workspace)
  } finally {
    await workspace.close()
  }
}
