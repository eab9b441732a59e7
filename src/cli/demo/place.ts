import { ChangefeedError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import { embeddedPlace } from './embedded-place.ts'
import { ownServerPlace } from './own-server-place.ts'

/** Where the demo's tables are. */
export interface Place {
  readonly kind: 'embedded' | 'own server'
  readonly connectionString: string
  /** Of the demo's tables. */
  readonly schema: string
  /** Of the change feed. */
  readonly feedSchema: string
  /** In words, for the terminal. */
  readonly description: string
  /** Lets the page run SQL, once the tables are there; null where it may not. Gives the connection string of its role. */
  readonly openSqlBox: (() => Promise<string>) | null
  /** Ends what was started, and removes what nobody wants to keep. */
  close(): Promise<void>
}

export interface PlaceOptions {
  readonly databaseUrl: string | undefined
  readonly dataDir: string | undefined
  readonly logger: Logger
}

/** An embedded Postgres, or, where its URL is given, a server of the user's. */
export async function openPlace({ databaseUrl, dataDir, logger }: PlaceOptions): Promise<Place> {
  if (databaseUrl === undefined) return await embeddedPlace({ dataDir, logger })
  if (dataDir === undefined) return await ownServerPlace(databaseUrl)
  throw new ChangefeedError(
    'E_OPTIONS',
    '--data is for the embedded Postgres, and DATABASE_URL names another server: leave one of them away.',
  )
}
