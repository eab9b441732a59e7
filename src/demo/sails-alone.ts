import type { Server } from 'node:http'
import type { Logger } from '../logger.ts'
import { createRealtime, type Realtime } from '../realtime/realtime.ts'
import { type DemoApp, startApp, type WaterlinePackages } from './app.ts'
import type { DemoDatabase } from './demo-database.ts'
import { JUNCTION, SHOWN_MODELS } from './models.ts'
import type { RequestGuard } from './request-guard.ts'

/** Socket.io path of the sockets that only receive messages of blueprint actions. */
export const ALONE_PATH = '/alone/socket.io'

export interface SailsAlone {
  close(): Promise<void>
}

export interface SailsAloneParts {
  readonly server: Server
  readonly requestGuard: RequestGuard
  readonly packages: WaterlinePackages
  readonly database: DemoDatabase
  readonly logger: Logger
}

/**
 * A second app on the same tables without a change feed, for comparison: blueprint actions that write, and sockets that
 * receive their messages.
 */
export async function startSailsAlone({
  server,
  requestGuard,
  packages,
  database,
  logger,
}: SailsAloneParts): Promise<SailsAlone> {
  const app: DemoApp = await startApp(packages, database)
  const realtime: Realtime = createRealtime({
    server,
    path: ALONE_PATH,
    collections: app.collections,
    models: Object.fromEntries([...SHOWN_MODELS, JUNCTION].map(identity => [identity, { write: true }])),
    beforeConnect: ({ headers }, proceed) => proceed(null, requestGuard.mayConnect(headers)),
    logger,
  })
  return {
    async close() {
      realtime.io.disconnectSockets(true)
      await app.stop()
    },
  }
}
