import type { ServerAddress } from '../db/connect.ts'
import type { ChangefeedOptions } from '../options.ts'
import type { AdapterFactory } from './settings.ts'

/** The app whose models are captured. */
export interface Application {
  /** Initialised Waterline collections. */
  readonly collections: object
  /** Feed options from the app's settings. Flags, variables and the config file take precedence. */
  readonly options: Partial<ChangefeedOptions>
  /** Whether the app's blueprints publish and tag their writes, so that the feed must not repeat them. */
  readonly blueprintsPublish: boolean
  /** Whether the hook in the app publishes captured changes, so that no separate listener may run. */
  readonly hookPublishes: boolean
  /** The environment of the loaded configuration; undefined if there is none. */
  readonly environment: string | undefined
  /** Address of the app's own Postgres datastore, if it has one. */
  readonly address: ServerAddress | undefined
  /** The adapter of the app's socket.io server, if configured. */
  adapter(): AdapterFactory | undefined
  stop(): Promise<void>
}
