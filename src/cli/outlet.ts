import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Changefeed } from '../changefeed.ts'
import { ChangefeedError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { ChangefeedOptions } from '../options.ts'
import { clusterPublisher } from '../publish/cluster-publisher.ts'
import { parseOrigin } from '../publish/origin.ts'
import type { Publisher } from '../publish/publisher.ts'
import { serialPublisher } from '../publish/serial-publisher.ts'
import { createRealtime } from '../realtime/realtime.ts'
import { openRelay } from './relay.ts'
import type { Workspace } from './workspace.ts'

/** Where a listener publishes to. */
export interface Outlet {
  readonly options: Pick<ChangefeedOptions, 'io' | 'publish' | 'publisher'>
  /** For changes that are published again, also those that the app's blueprints told of first. */
  readonly replayPublisher: Publisher
  /** How the sockets are reached, in a word. */
  readonly by: string
  /** To be called with the feed before it starts. */
  attach(feed: Changefeed): void
  close(): Promise<void>
}

/** The sockets of the app, through its adapter; or with `serve` sockets of our own. */
export async function openOutlet(workspace: Workspace, logger: Logger): Promise<Outlet> {
  if (workspace.settings.serve) return await openServer(workspace, logger)
  const { blueprintsPublish, hookPublishes } = await workspace.application()
  if (hookPublishes) throw new ChangefeedError('E_OPTIONS', HOOK_PUBLISHES)
  const { io, by, close } = await openRelay(workspace, logger)
  const { models } = await workspace.feedSettings()
  const publisher = serialPublisher(clusterPublisher(io, { models }))
  const options = { publisher: blueprintsPublish ? besideBlueprints(publisher) : publisher, publish: 'leader' } as const
  return { options, replayPublisher: publisher, by, attach() {}, close }
}

const HOOK_PUBLISHES =
  "The app publishes its changes by itself: its hook is loaded, and `sails.config.changefeed.listener` is 'app'. To run a listener beside it, set `listener: 'separate'` in config/changefeed.js and lift the app again."

/**
 * Through a cluster adapter the app's own blueprints reach every socket, so what they wrote is theirs to tell. What they
 * write and never tell only the hook inside the app can know.
 */
const besideBlueprints = (publisher: Publisher): Publisher => ({
  publish: (event, meta) => (parseOrigin(meta.origin)?.blueprint ? undefined : publisher.publish(event, meta)),
  drained: () => publisher.drained?.(),
  sockets: () => publisher.sockets?.() ?? null,
})

/** Each process publishes to the sockets that it serves, so several may stand behind one balancer. */
async function openServer(workspace: Workspace, logger: Logger): Promise<Outlet> {
  const { serve, host, port } = workspace.settings
  const { collections } = await workspace.application()
  const server = createServer()
  let feed: Changefeed | null = null
  const realtime = createRealtime({
    ...(typeof serve === 'object' && serve),
    server,
    collections,
    logger,
    onSlowClient: client => void feed?.emit('slowClient', client),
    feed: { cursor: async () => (await feed?.cursor()) ?? '' },
  })
  server.listen(port, host)
  await once(server, 'listening').catch(cause => {
    throw new ChangefeedError(
      'E_OPTIONS',
      `Cannot serve sockets at ${host}:${port}: ${cause.message}. Name another place with --port and --host.`,
      { cause },
    )
  })
  const publisher = serialPublisher(realtime.publisher)
  return {
    options: { publisher, publish: 'local' },
    replayPublisher: publisher,
    by: `sockets of its own at ${host}:${(server.address() as AddressInfo).port}`,
    attach(attached) {
      feed = attached
    },
    close: () => realtime.close(),
  }
}
