import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ChangefeedError } from '../errors.ts'
import type { Application } from './loaded-application.ts'
import { loadSailsApp } from './sails-app.ts'
import type { ProgramSettings } from './settings.ts'

/**
 * Loads the app's models from the configured source. Throws `E_OPTIONS` if none is configured, `E_MODEL` if they cannot
 * be loaded.
 */
export async function loadApplication(settings: ProgramSettings): Promise<Application> {
  const { collections, definitions, app } = settings
  if (collections) return plain(typeof collections === 'function' ? await called(collections) : collections)
  if (definitions) return plain(await startDefinitions(definitions, app ?? process.cwd()))
  return await loadSailsApp(app ?? (await presentApp()))
}

const plain = (collections: object): Application => ({
  collections,
  options: {},
  blueprintsPublish: false,
  hookPublishes: false,
  environment: undefined,
  address: undefined,
  adapter: () => undefined,
  stop: async () => {},
})

async function called(collections: object): Promise<object> {
  try {
    return await (collections as () => object | Promise<object>)()
  } catch (cause) {
    throw new ChangefeedError('E_MODEL', `\`collections\` of the config file failed: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** Without a configured source, the current folder may be a Sails app. */
async function presentApp(): Promise<string> {
  const folder = process.cwd()
  try {
    createRequire(join(folder, 'package.json')).resolve('sails/package.json')
    return folder
  } catch (cause) {
    throw new ChangefeedError(
      'E_OPTIONS',
      'No models are configured: run this in the folder of a Sails app, pass its path with --app, or export `definitions` or `collections` from changefeed.config.mjs.',
      { cause },
    )
  }
}

/**
 * Waterline requires a key for `encrypt`. Encrypted attributes are never captured, so nothing is encrypted or decrypted
 * with it.
 */
const NO_KEY = Buffer.alloc(32).toString('base64')

/** Completes the definitions with Waterline. Does not connect, since the feed has its own connections. */
async function startDefinitions(definitions: Record<string, object>, folder: string): Promise<object> {
  const Waterline = waterlineOf(folder)
  try {
    const { collections } = await promisify(Waterline.start)({
      adapters: { changefeed: { identity: 'changefeed', adapterApiVersion: 1, ...UNCONNECTED } },
      datastores: { default: { adapter: 'changefeed' } },
      models: copied(definitions),
      defaultModelSettings: {
        datastore: 'default',
        primaryKey: 'id',
        fetchRecordsOnUpdate: false,
        dataEncryptionKeys: { default: NO_KEY },
      },
    })
    return collections
  } catch (cause) {
    throw new ChangefeedError('E_MODEL', `Waterline refuses \`definitions\`: ${(cause as Error).message}`, { cause })
  }
}

interface WaterlineModule {
  start(options: object, done: (error: Error | null, orm: { collections: object }) => void): void
}

/** The app's own Waterline, or the one installed beside this package. */
function waterlineOf(folder: string): WaterlineModule {
  for (const from of [join(folder, 'package.json'), import.meta.url]) {
    try {
      return createRequire(from)('waterline')
    } catch {} // try the next location
  }
  throw new ChangefeedError('E_MODEL', 'The package `waterline` is not installed: npm install waterline.')
}

const UNCONNECTED = {
  datastores: { default: {} },
  registerDatastore: (_config: object, _models: object, done: () => void) => done(),
  teardown: (_name: string, done: () => void) => done(),
}

/**
 * Copies the definitions, since Waterline modifies them. As in Sails, a model has an `id` unless it defines another
 * key.
 */
const copied = (definitions: Record<string, object>) =>
  Object.fromEntries(
    Object.entries(definitions).map(([identity, model]) => {
      const { attributes = {}, primaryKey = 'id', ...rest } = model as { attributes?: object; primaryKey?: string }
      const id = primaryKey === 'id' ? { id: { type: 'number' } } : {}
      const all = Object.entries({ ...id, ...attributes }).map(([name, attribute]) => [name, sparse(attribute)])
      return [identity, { ...rest, primaryKey, attributes: Object.fromEntries(all) }]
    }),
  )

/** Removes attribute options that only migrations use, which Waterline rejects here. */
function sparse({ columnType, autoIncrement, unique, ...attribute }: Record<string, unknown>) {
  const autoMigrations = { columnType, autoIncrement, unique, ...(attribute.autoMigrations as object | undefined) }
  return { ...attribute, autoMigrations }
}
