import { ChangefeedError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { DemoDatabase } from './demo-database.ts'
import { embeddedDatabase } from './embedded-database.ts'
import { ownServerDatabase } from './own-server-database.ts'

export interface DemoDatabaseOptions {
  readonly databaseUrl: string | undefined
  readonly dataDir: string | undefined
  readonly logger: Logger
}

/** The server of `databaseUrl`, or else an embedded Postgres. */
export async function openDemoDatabase({ databaseUrl, dataDir, logger }: DemoDatabaseOptions): Promise<DemoDatabase> {
  if (databaseUrl === undefined) return await embeddedDatabase({ dataDir, logger })
  if (dataDir === undefined) return await ownServerDatabase(databaseUrl)
  throw new ChangefeedError(
    'E_OPTIONS',
    '--data is for the embedded Postgres, but DATABASE_URL selects another server. Remove one of them.',
  )
}
