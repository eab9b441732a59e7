import { access, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ServerAddress } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'
import '../node-globals.ts'
import type { ChangefeedOptions } from '../options.ts'
import { databasesOf } from '../sails/hook/databases.ts'
import { feedOptions } from '../sails/hook/feed-options.ts'
import type { SailsModel } from '../sails/hook/sails-app.ts'
import { readSettings } from '../sails/hook/settings.ts'
import type { Application } from './loaded-application.ts'
import { adapterOf, type SocketsConfig } from './sails-adapter.ts'

/** The used parts of a loaded Sails app. */
interface SailsApp {
  readonly models: Readonly<Record<string, SailsModel>>
  readonly config: {
    readonly environment?: string
    readonly changefeed?: unknown
    readonly hooks?: { readonly changefeed?: unknown }
    readonly sockets?: SocketsConfig
  }
  load(config: object, done: (error?: Error) => void): void
  lower(done: (error?: Error) => void): void
}

/** Loads only what the models need: no server, controllers, bootstrap or migrations. */
const HOOKS = ['moduleloader', 'userconfig', 'orm']

/** Throws `E_MODEL` if the folder is not a Sails app, or if it fails to load. */
export async function loadSailsApp(folder: string): Promise<Application> {
  const require = createRequire(join(folder, 'package.json'))
  const sails: SailsApp = await requireFromApp(require, 'sails', folder)
  const orm = await requireFromApp(require, 'sails-hook-orm', folder)
  try {
    await loadAsItself(sails, orm, { folder, require })
  } catch (cause) {
    throw new ChangefeedError('E_MODEL', `The Sails app in ${folder} cannot be loaded: ${(cause as Error).message}`, {
      cause,
    })
  }
  return {
    collections: sails.models,
    options: optionsOf(sails),
    blueprintsPublish: readSettings(sails.config.changefeed)?.blueprints === 'keep',
    hookPublishes: await hookPublishes(sails, folder),
    environment: sails.config.environment,
    address: await addressOf(sails),
    adapter: () => adapterOf(sails.config.sockets, require),
    stop: async () => await promisify(sails.lower.bind(sails))(),
  }
}

interface AppPlace {
  readonly folder: string
  readonly require: NodeJS.Require
}

/**
 * Loads the app as its app.js does: in its folder, with variables from `.env` if it reads them, its `.sailsrc`, its
 * globals, and its own `require('sails')`, which config files may use.
 */
async function loadAsItself(sails: SailsApp, orm: unknown, { folder, require }: AppPlace) {
  const { argv, stdout } = process
  const write = stdout.write
  process.chdir(folder)
  process.argv = argv.slice(0, 2) // Sails would read our flags as its settings
  stdout.write = process.stderr.write.bind(process.stderr) // keeps output of the app out of our results
  try {
    await readVariables(folder, require)
    const given: GivenConfig = require('sails/accessible/rc')('sails')
    await promisify(sails.load.bind(sails))({
      ...given,
      appPath: folder,
      hooks: { ...given.hooks, orm },
      loadHooks: HOOKS,
      log: { ...given.log, level: 'silent' },
      models: { ...given.models, migrate: 'safe' },
      paths: { ...given.paths, controllers: join(folder, 'node_modules/.no-controllers') },
      beforeShutdown: (done: () => void) => done(),
    })
  } finally {
    process.argv = argv
    stdout.write = write
  }
}

/** Settings from `.sailsrc` and from variables such as `sails_models__schema`. */
type GivenConfig = Partial<Record<'hooks' | 'log' | 'models' | 'paths', object>>

/** Imports of `dotenv`, `dotenv-flow` and similar packages in an app.js. */
const DOTENV = /(?:\brequire\s*\(|\bfrom|\bimport)\s*['"](@?[\w/-]*dotenv[\w-]*)(\/config)?['"]/g

/** Runs only the dotenv imports of app.js, since the rest may start anything. */
async function readVariables(folder: string, require: NodeJS.Require) {
  const text = await readFile(join(folder, 'app.js'), 'utf8').catch(() => '')
  for (const [, name = ''] of withoutComments(text).matchAll(DOTENV)) require(name).config?.()
}

const withoutComments = (code: string) => code.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')

export async function assertFolder(folder: string): Promise<void> {
  if (await exists(folder)) return
  throw new ChangefeedError('E_MODEL', `The folder ${folder} does not exist: correct --app or CHANGEFEED_APP.`)
}

// biome-ignore lint/suspicious/noExplicitAny: Sails has no types
async function requireFromApp(require: NodeJS.Require, name: string, folder: string): Promise<any> {
  await assertFolder(folder)
  try {
    return require(name)
  } catch (cause) {
    throw new ChangefeedError(
      'E_MODEL',
      `The Sails app in ${folder} cannot be loaded: \`${name}\` is not installed there: run npm install in it, or correct --app.`,
      { cause },
    )
  }
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

/** The first Postgres datastore if the app has several. The settings may name another. */
async function addressOf({ models, config }: SailsApp): Promise<ServerAddress | undefined> {
  const { databases } = await databasesOf(models, readSettings(config.changefeed)?.address)
  return databases[0]?.address
}

/** Whether Sails would load the hook: it is a package in the app's node_modules and not disabled. */
async function hookPublishes({ config }: SailsApp, folder: string): Promise<boolean> {
  const configured = config.hooks?.changefeed
  if (configured === false || readSettings(config.changefeed)?.listener !== 'app') return false
  return configured !== undefined || (await exists(join(folder, 'node_modules/waterline-changefeed')))
}

/** The options of the app's own hook, so that both install the same triggers. */
function optionsOf({ config, models }: SailsApp): Partial<ChangefeedOptions> {
  const settings = readSettings(config.changefeed)
  return settings ? feedOptions(settings, models) : {}
}
