import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ChangefeedError } from '../errors.ts'
import type { Application } from './loaded-application.ts'
import { loadSailsApp } from './sails-app.ts'
import type { ProgramSettings } from './settings.ts'

/**
 * Loads the app's models, from wherever the settings say they are. Throws `E_OPTIONS` where they say nothing, `E_MODEL`
 * for what cannot be loaded.
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

/** Without a word about models, the folder that the program is started in may be the app. */
async function presentApp(): Promise<string> {
  const folder = process.cwd()
  try {
    createRequire(join(folder, 'package.json')).resolve('sails/package.json')
    return folder
  } catch (cause) {
    throw new ChangefeedError(
      'E_OPTIONS',
      'Nothing says which models to capture: run this in the folder of a Sails app, name it with --app, or export `definitions` or `collections` from changefeed.config.mjs.',
      { cause },
    )
  }
}

/** Waterline wants one for `encrypt`. Such attributes never leave their table, so nothing is ever encrypted or decrypted by it. */
const NO_KEY = Buffer.alloc(32).toString('base64')

/** Lets Waterline complete the definitions. It connects nowhere: the feed has connections of its own. */
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

/** The app's own Waterline, or the one that is installed beside this package. */
function waterlineOf(folder: string): WaterlineModule {
  for (const from of [join(folder, 'package.json'), import.meta.url]) {
    try {
      return createRequire(from)('waterline')
    } catch {} // looked for in the next place
  }
  throw new ChangefeedError('E_MODEL', 'The package `waterline` is not installed: npm install waterline.')
}

const UNCONNECTED = {
  datastores: { default: {} },
  registerDatastore: (_config: object, _models: object, done: () => void) => done(),
  teardown: (_name: string, done: () => void) => done(),
}

/** Waterline writes into what it gets. A model has an `id` unless it says otherwise, as in Sails. */
const copied = (definitions: Record<string, object>) =>
  Object.fromEntries(
    Object.entries(definitions).map(([identity, model]) => {
      const { attributes = {}, primaryKey = 'id', ...rest } = model as { attributes?: object; primaryKey?: string }
      const id = primaryKey === 'id' ? { id: { type: 'number' } } : {}
      const all = Object.entries({ ...id, ...attributes }).map(([name, attribute]) => [name, sparse(attribute)])
      return [identity, { ...rest, primaryKey, attributes: Object.fromEntries(all) }]
    }),
  )

/** What Sails allows beside `type` is for migrations only, and Waterline refuses it there. */
function sparse({ columnType, autoIncrement, unique, ...attribute }: Record<string, unknown>) {
  const autoMigrations = { columnType, autoIncrement, unique, ...(attribute.autoMigrations as object | undefined) }
  return { ...attribute, autoMigrations }
}
