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
  /** 0 selects a free port. */
  readonly port: number
  /** Required by the page and the metrics, but not by the health checks. Without a token, operations over HTTP are disabled. */
  readonly token?: string | undefined
  readonly replayTo: ReplayTarget
  /** Maximum lag before `/readyz` fails. */
  readonly lagLimitMs: number
  /** Runs the doctor. Called once a minute, and when the state of the feed changes. */
  examine(): Promise<readonly Finding[]>
}

const require = createRequire(import.meta.url)
/** Files of the plot library. */
const PLOT_FILES = ['uplot/dist/uPlot.esm.js', 'uplot/dist/uPlot.min.css'].map(name => require.resolve(name))

export interface Monitor {
  readonly port: number
  close(): Promise<void>
}

/** Serves health checks, metrics and the status page of a feed over HTTP. Throws `E_OPTIONS` if it cannot listen on the port. */
export async function startMonitor(options: MonitorOptions): Promise<Monitor> {
  const activity = new RecentActivity(options.feed)
  const inspections = new Inspections(options.feed, options.examine)
  const files = await pageFiles(join(import.meta.dirname, 'page'), PLOT_FILES)
  const { db, replayTo } = options
  const replays = new ReplayRunner(db, replayTo)
  const { by, settings } = replayTo
  const inspected = () => inspections.last
  const app = createApp({ ...options, activity, files, inspected, replays, by, logger: settings.logger })
  const server = createServer(getRequestListener(app.fetch))
  server.listen(options.port, options.host)
  await once(server, 'listening').catch(cause => {
    const place = `${options.host}:${options.port}`
    throw new ChangefeedError(
      'E_OPTIONS',
      `Cannot serve the status page at ${place}: ${cause.message}. Choose another port with --http-port, or disable the page with --http-port off.`,
      { cause },
    )
  })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      activity.end()
      inspections.end()
      await replays.stop()
      server.close()
      server.closeAllConnections()
    },
  }
}
