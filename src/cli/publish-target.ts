import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Changefeed } from '../changefeed.ts'
import { ChangefeedError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { ChangefeedOptions } from '../options.ts'
import { parseOrigin } from '../publish/origin.ts'
import type { Publisher } from '../publish/publisher.ts'
import { serialPublisher } from '../publish/serial-publisher.ts'
import { clusterPublisher } from '../publish/socketio/cluster-publisher.ts'
import { wrapPublisher } from '../publish/wrap-publisher.ts'
import { createRealtime } from '../realtime/realtime.ts'
import { openClusterEmitter } from './cluster-emitter.ts'
import type { CommandContext } from './command-context.ts'

/** The publishers of a listener. */
export interface PublishTarget {
  readonly options: Pick<ChangefeedOptions, 'io' | 'publish' | 'publisher'>
  /** For replayed changes, including those that the app's blueprints published first. */
  readonly replayPublisher: Publisher
  /** The transport, for log lines. */
  readonly by: string
  /** Call with the feed before it starts. */
  attach(feed: Changefeed): void
  close(): Promise<void>
}

/** The sockets of the app, through its adapter, or those of this process with `serve`. */
export async function openPublishTarget(context: CommandContext, logger: Logger): Promise<PublishTarget> {
  if (context.settings.serve) return await openServer(context, logger)
  const { blueprintsPublish, hookPublishes } = await context.application()
  if (hookPublishes) throw new ChangefeedError('E_OPTIONS', HOOK_PUBLISHES)
  const { io, by, close } = await openClusterEmitter(context, logger)
  const { models } = await context.feedSettings()
  const publisher = serialPublisher(clusterPublisher(io, { models }))
  const options = { publisher: blueprintsPublish ? besideBlueprints(publisher) : publisher, publish: 'leader' } as const
  return { options, replayPublisher: publisher, by, attach() {}, close }
}

const HOOK_PUBLISHES =
  "The app already publishes its changes: its hook is loaded, and `sails.config.changefeed.listener` is 'app'. To run a listener beside it, set `listener: 'separate'` in config/changefeed.js and lift the app again."

/**
 * Through a cluster adapter, the app's blueprints reach every socket, so their messages must not be repeated. Only the
 * hook in the app knows blueprint writes that were never published.
 */
export const besideBlueprints = (publisher: Publisher): Publisher =>
  wrapPublisher(publisher, (event, meta) =>
    parseOrigin(meta.origin)?.blueprint ? undefined : publisher.publish(event, meta),
  )

/** Each process publishes to its own sockets, so several may run behind one load balancer. */
async function openServer(context: CommandContext, logger: Logger): Promise<PublishTarget> {
  const { serve, host, port } = context.settings
  const { collections } = await context.application()
  const { models } = await context.feedSettings()
  const server = createServer()
  let feed: Changefeed | null = null
  const realtime = createRealtime({
    ...(typeof serve === 'object' && serve),
    server,
    collections,
    logger,
    onSlowClient: client => void feed?.emit('slowClient', client),
    feed: {
      cursor: async () => (await feed?.cursor()) ?? '',
      snapshot: async () => await feed?.snapshot(),
      omits: (identity, attribute) => models.get(identity)?.attributes.get(attribute)?.captured === false,
    },
  })
  server.listen(port, host)
  await once(server, 'listening').catch(cause => {
    throw new ChangefeedError(
      'E_OPTIONS',
      `Cannot serve sockets at ${host}:${port}: ${cause.message}. Choose another address with --port and --host.`,
      { cause },
    )
  })
  const publisher = serialPublisher(realtime.publisher)
  return {
    options: { publisher, publish: 'local' },
    replayPublisher: publisher,
    by: `its own sockets at ${host}:${(server.address() as AddressInfo).port}`,
    attach(attached) {
      feed = attached
    },
    close: () => realtime.close(),
  }
}
