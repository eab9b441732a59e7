import type { ServerAddress } from '../db/connect.ts'
import type { ChangefeedOptions } from '../options.ts'
import type { AdapterFactory } from './settings.ts'

/** The app whose models are captured. */
export interface Application {
  /** Initialised Waterline collections. */
  readonly collections: object
  /** What the app's own settings say of the feed; flags, variables and the config file go before them. */
  readonly options: Partial<ChangefeedOptions>
  /** Whether the app's own blueprints publish what they write, and tag it as theirs: to be left to them. */
  readonly blueprintsPublish: boolean
  /** Whether the hook inside the app publishes what is captured: then no listener is to run beside it. */
  readonly hookPublishes: boolean
  /** The environment whose configuration was loaded; undefined where there is none. */
  readonly environment: string | undefined
  /** Where the app's own Postgres datastore connects to, if it has one. */
  readonly address: ServerAddress | undefined
  /** The adapter of the app's own socket.io server, if it names one. */
  adapter(): AdapterFactory | undefined
  stop(): Promise<void>
}
