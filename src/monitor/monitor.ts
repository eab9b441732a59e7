import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import type { Changefeed } from '../changefeed.ts'
import type { Database } from '../db/connect.ts'
import type { Finding } from '../doctor/finding.ts'
import { ChangefeedError } from '../errors.ts'
import { pageFiles } from '../pages/page-files.ts'
import { createApp } from './app.ts'
import { Inspections } from './inspections.ts'
import { RecentActivity } from './recent-activity.ts'
import { ReplayRunner, type ReplayTarget } from './replay-runner.ts'

export interface MonitorOptions {
  readonly feed: Changefeed
  readonly db: Database
  /** @default 127.0.0.1 */
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Asked for by the page and by the metrics, not by the health checks. Without one nothing can be changed over HTTP. */
  readonly token?: string | undefined
  readonly replayTo: ReplayTarget
  /** From which lag on `/readyz` says no. */
  readonly lagLimitMs: number
  /** What is wrong; asked for once a minute, and when something changes. */
  examine(): Promise<readonly Finding[]>
}

const require = createRequire(import.meta.url)
/** The plot library as it is published. */
const PLOT_FILES = ['uplot/dist/uPlot.esm.js', 'uplot/dist/uPlot.min.css'].map(name => require.resolve(name))

export interface Monitor {
  readonly port: number
  close(): Promise<void>
}

/**
 * Health checks, metrics and a status page of a feed, over HTTP. Throws `E_OPTIONS` where the port cannot be had.
 */
export async function startMonitor(options: MonitorOptions): Promise<Monitor> {
  const chronicle = new RecentActivity(options.feed)
  const inspections = new Inspections(options.feed, options.examine)
  const files = await pageFiles(join(import.meta.dirname, 'page'), PLOT_FILES)
  const { db, replayTo } = options
  const replays = new ReplayRunner(db, replayTo)
  const { by, settings } = replayTo
  const inspected = () => inspections.last
  const app = createApp({ ...options, chronicle, files, inspected, replays, by, logger: settings.logger })
  const server = createServer(getRequestListener(app.fetch))
  server.listen(options.port, options.host)
  await once(server, 'listening').catch(cause => {
    const place = `${options.host}:${options.port}`
    throw new ChangefeedError(
      'E_OPTIONS',
      `Cannot serve the status page at ${place}: ${cause.message}. Name another with --http-port, or turn it off with --http-port off.`,
      { cause },
    )
  })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      chronicle.end()
      inspections.end()
      await replays.stop()
      server.close()
      server.closeAllConnections()
    },
  }
}
