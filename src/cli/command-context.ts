import { type Changefeed, createChangefeed } from '../changefeed.ts'
import { type Database, describeAddress, openDatabase, type ServerAddress } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'
import { Installation } from '../installation.ts'
import { type Model, type Models, targetOf } from '../models/model.ts'
import { readModels } from '../models/model-map.ts'
import { selectModels } from '../models/selection.ts'
import { addressOption, type ChangefeedOptions, parseOptions, type Settings } from '../options.ts'
import { commandFormatter, type FormatCommand } from '../printed-command.ts'
import { loadApplication } from './application.ts'
import type { Application } from './loaded-application.ts'
import { assertFolder } from './sails-app.ts'
import type { ProgramSettings } from './settings.ts'
import { note } from './terminal.ts'

/** The target of a command, without secrets. */
export interface Target {
  /** Folder of the app, or path of the config file with the models. */
  readonly app: string
  readonly environment: string
  readonly database: string
  readonly schema: string
}

const formatTarget = ({ app, environment, database, schema }: Target) =>
  `${app} (${environment}): ${database}, schema ${schema}`

/** The database and models of a command, each loaded on first use. */
export class CommandContext {
  readonly settings: ProgramSettings
  readonly formatCommand: FormatCommand
  readonly #announce: (target: Target) => void
  #isAnnounced = false
  #application: Promise<Application> | null = null
  #models: Models | null = null
  #database: Database | null = null

  constructor(settings: ProgramSettings, announce: (target: Target) => void = () => {}) {
    this.settings = settings
    this.#announce = announce
    this.formatCommand = commandFormatter({ flags: settings.commonFlags })
  }

  application(): Promise<Application> {
    this.#application ??= loadApplication(this.settings)
    return this.#application
  }

  /** Falls back to the app's own database. Throws `E_OPTIONS`. */
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

  /** Says what the command works on, where it ends before it touches the database. */
  async announce(): Promise<void> {
    await this.#announceOnce(await this.address())
  }

  /** Called before the database is used, and after the app has been loaded if it is needed. */
  async #announceOnce(address: ServerAddress) {
    if (this.#isAnnounced) return
    this.#isAnnounced = true
    const { app, configPath, schema } = this.settings
    if (app !== undefined) await assertFolder(app)
    const application = await this.#application
    this.#announce({
      app: app ?? configPath ?? process.cwd(),
      environment: application?.environment ?? process.env.NODE_ENV ?? 'development',
      database: describeAddress(address),
      schema,
    })
  }

  /** A small pool for everything except the feed. */
  async database(purpose: string): Promise<Database> {
    const address = await this.address()
    await this.#announceOnce(address)
    const applicationName = `waterline-changefeed ${purpose}`
    const { schemaOwner } = this.settings.feed
    this.#database ??= openDatabase({ ...address, schemaOwner, applicationName }, this.settings.schema)
    return this.#database
  }

  /** Throws `E_NOT_INSTALLED` if our schema is missing or outdated. */
  async installedDatabase(purpose: string): Promise<Database> {
    const db = await this.database(purpose)
    await (await this.#installation()).check(db)
    return db
  }

  async feed(options: Partial<ChangefeedOptions> = {}): Promise<Changefeed> {
    const all = await this.#feedOptions(options)
    await this.#announceOnce(await this.address())
    return createChangefeed(all)
  }

  /** The options of the feed including defaults, and the models to capture. */
  async feedSettings(): Promise<{ settings: Settings; models: Models }> {
    const settings = parseOptions(await this.#feedOptions({}))
    return { settings, models: selectModels(await this.#allModels(), settings.models) }
  }

  /** Requires no models, since all capture is removed. */
  async uninstall(): Promise<boolean> {
    return await (await this.#installation()).uninstall()
  }

  async close(): Promise<void> {
    await this.#database?.close()
    const application = await this.#application?.catch(() => null)
    await application?.stop()
  }

  async #installation(): Promise<Installation> {
    const { schema } = this.settings
    const address = await this.address()
    await this.#announceOnce(address)
    const own = { ...addressOption(address), schema, formatCommand: this.formatCommand, collections: {} }
    const settings = parseOptions({ ...withoutAddress(this.settings.feed), ...own })
    const { connection, schemaOwner } = settings
    const applicationName = 'waterline-changefeed install'
    return new Installation(settings, new Map(), { ...connection, schemaOwner, applicationName })
  }

  async #allModels(): Promise<Models> {
    const { collections } = await this.application()
    this.#models ??= readModels(collections)
    return this.#models
  }

  async #feedOptions(options: Partial<ChangefeedOptions>): Promise<ChangefeedOptions> {
    const { feed, schema, models, only } = this.settings
    const { collections, options: ofTheApp } = await this.application()
    const configured = (models as ChangefeedOptions['models']) ?? ofTheApp.models
    const selection = only ? narrowed(configured, only, await this.#allModels()) : configured
    const address = await this.address()
    return {
      ...ofTheApp,
      ...withoutAddress(feed),
      ...(selection && { models: selection }),
      ...{ schema, collections, formatCommand: this.formatCommand, ...addressOption(address) },
      ...options,
    }
  }
}

type Selection = NonNullable<ChangefeedOptions['models']>

/** Settings of a model in the config file also apply when the command line selects the models. */
function narrowed(configured: Selection | undefined, only: readonly string[], models: Models): Selection {
  if (configured === undefined || Array.isArray(configured)) return only
  const said = Object.entries(configured).map(([name, value]) => {
    const identity = name.toLowerCase()
    return [identity, only.includes(identity) ? value || true : value] as const
  })
  const isNamed = (identity: string) => only.includes(identity)
  const isOut = ({ identity, junction, associations }: Model) =>
    !isNamed(identity) && !(junction && associations.map(targetOf).some(isNamed))
  const out = [...models.values()].filter(isOut).map(({ identity }) => [identity, false] as const)
  const named = only.map(identity => [identity, true] as const)
  return Object.fromEntries([...named, ...said, ...out])
}

const withoutAddress = ({ connection: _, ...feed }: Partial<ChangefeedOptions>): Partial<ChangefeedOptions> => feed

const NO_DATABASE = new ChangefeedError(
  'E_OPTIONS',
  'No database is configured: set DATABASE_URL, pass --database-url, or pass the path of a Sails app with a Postgres datastore with --app.',
)

/** Opens a command context and closes it after `use`. */
export async function withCommandContext<T>(
  settings: ProgramSettings,
  use: (context: CommandContext) => Promise<T>,
): Promise<T> {
  const context = new CommandContext(settings, target => !settings.json && note(formatTarget(target)))
  try {
    return await use(context)
  } finally {
    await context.close()
  }
}
