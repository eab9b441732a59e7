import { access } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ChangefeedError } from '../errors.ts'
import type { ChangefeedOptions } from '../options.ts'
import { feedOptions } from '../sails/feed-options.ts'
import type { SailsModel } from '../sails/sails-app.ts'
import { readSettings } from '../sails/settings.ts'
import type { Application } from './loaded-application.ts'
import type { AdapterFactory } from './settings.ts'

/** What we use of a loaded Sails app. */
interface SailsApp {
  readonly models: Readonly<Record<string, SailsModel>>
  readonly config: {
    readonly changefeed?: unknown
    readonly datastores?: Readonly<Record<string, { readonly url?: string; readonly adapter?: unknown } | undefined>>
    readonly sockets?: {
      readonly adapter?: unknown
      readonly adapterModule?: unknown
      readonly adapterOptions?: object
    }
  }
  load(config: object, done: (error?: Error) => void): void
  lower(done: (error?: Error) => void): void
}

/** Nothing of the app runs but what its models need: no server, no routes, no bootstrap, no migration of tables. */
const HOOKS = ['moduleloader', 'userconfig', 'orm']

/** Throws `E_MODEL` for a folder that holds no Sails app, or one that does not load. */
export async function loadSailsApp(folder: string): Promise<Application> {
  const require = createRequire(join(folder, 'package.json'))
  const Sails = await requireFromApp(require, 'sails', folder)
  const orm = await requireFromApp(require, 'sails-hook-orm', folder)
  const sails: SailsApp = new Sails.Sails()
  try {
    await promisify(sails.load.bind(sails))({
      appPath: folder,
      hooks: { orm },
      loadHooks: HOOKS,
      globals: false,
      log: { level: 'silent' },
      models: { migrate: 'safe' },
    })
  } catch (cause) {
    throw new ChangefeedError('E_MODEL', `The Sails app in ${folder} does not load: ${(cause as Error).message}`, {
      cause,
    })
  }
  return {
    collections: sails.models,
    options: optionsOf(sails),
    blueprintsPublish: readSettings(sails.config.changefeed)?.blueprints === 'keep',
    connectionString: urlOf(sails),
    adapter: () => adapterOf(sails, require),
    stop: async () => await promisify(sails.lower.bind(sails))(),
  }
}

// biome-ignore lint/suspicious/noExplicitAny: Sails has no types
async function requireFromApp(require: NodeJS.Require, name: string, folder: string): Promise<any> {
  if (!(await isFolder(folder))) {
    throw new ChangefeedError('E_MODEL', `There is no folder ${folder}: correct --app or CHANGEFEED_APP.`)
  }
  try {
    return require(name)
  } catch (cause) {
    throw new ChangefeedError(
      'E_MODEL',
      `${folder} is no Sails app that can be loaded, as \`${name}\` is not installed there: run npm install in it, or correct --app.`,
      { cause },
    )
  }
}

const isFolder = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

function urlOf({ config }: SailsApp): string | undefined {
  const urls = Object.values(config.datastores ?? {}).flatMap(datastore => datastore?.url ?? [])
  return urls.find(url => /^postgres(ql)?:\/\//.test(url))
}

/** As the app's own hook has them, so that both want the same triggers. */
function optionsOf({ config, models }: SailsApp): Partial<ChangefeedOptions> {
  const settings = readSettings(config.changefeed)
  return settings ? feedOptions(settings, models) : {}
}

/** What the sockets hook of Sails makes of the config: it is not loaded here. */
function adapterOf({ config: { sockets } }: SailsApp, require: NodeJS.Require): AdapterFactory | undefined {
  if (!sockets?.adapter || sockets.adapter === 'memory') return undefined
  const create = typeof sockets.adapterModule === 'function' ? sockets.adapterModule : require(String(sockets.adapter))
  const besides = Object.entries(sockets).filter(([name, value]) => ADAPTER_OPTIONS.has(name) && value !== undefined)
  const options: AdapterOptions = { ...sockets.adapterOptions, ...Object.fromEntries(besides) }
  return create(options.pass === undefined ? options : { ...options, password: options.pass }) as AdapterFactory
}

/** May stand in `sockets` itself as well as in its `adapterOptions`. */
const ADAPTER_OPTIONS = new Set(['host', 'port', 'pass', 'db', 'pubClient', 'subClient', 'key', 'url'])

interface AdapterOptions {
  /** What node-redis calls `password`. */
  readonly pass?: string
}
