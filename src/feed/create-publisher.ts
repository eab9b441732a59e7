import type { Models } from '../models/model.ts'
import type { Settings } from '../options.ts'
import type { Publisher } from '../publish/publisher.ts'
import { isInMemory } from '../publish/socketio/adapter.ts'
import { ClientBuffers, type SlowClient } from '../publish/socketio/client-buffers.ts'
import { clusterPublisher } from '../publish/socketio/cluster-publisher.ts'
import { socketPublisher } from '../publish/socketio/socket-publisher.ts'

/** Whether each node notifies its own sockets. Otherwise the leader notifies all. */
export function publishesEverywhere({ publish, io, publisher }: Settings): boolean {
  if (publish !== 'auto') return publish === 'local'
  return io ? isInMemory(io) : publisher === undefined
}

interface PublisherContext {
  readonly models: Models
  readonly everywhere: boolean
  readonly onDisconnect: (client: SlowClient) => void
}

/** The configured publisher, or one for the configured `io`. Without either, one that discards events. */
export function createPublisher(settings: Settings, { models, everywhere, onDisconnect }: PublisherContext): Publisher {
  const { io, publisher, maxBufferedBytes, logger } = settings
  if (publisher) return publisher
  if (!io) return { publish() {}, hasReceivers: () => false }
  const buffers = new ClientBuffers(io, { maxBytes: maxBufferedBytes, logger, onDisconnect })
  return everywhere
    ? socketPublisher(io, { models, buffers, scope: 'local' })
    : clusterPublisher(io, { models, buffers })
}
