import { ChangefeedError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import { embeddedPlace } from './embedded-place.ts'
import { ownServerPlace } from './own-server-place.ts'
import type { Place } from './place.ts'

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
