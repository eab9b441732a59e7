import type { Models } from '../models/model.ts'
import type { Settings } from '../options.ts'
import type { FanOut } from '../publish/fan-out.ts'
import type { Publisher } from '../publish/publisher.ts'
import { isInMemory } from '../publish/socketio/adapter.ts'
import { ClientBuffers, type SlowClient } from '../publish/socketio/client-buffers.ts'
import { clusterPublisher } from '../publish/socketio/cluster-publisher.ts'
import { socketPublisher } from '../publish/socketio/socket-publisher.ts'

type Targets = Pick<Settings, 'publish' | 'io'> & Partial<Pick<Settings, 'publisher'>>

/** What the option `publish` selects. `auto` means `local` with an in-memory adapter, or without `io` and `publisher`. */
export function fanOutOf({ publish, io, publisher }: Targets): FanOut {
  if (publish !== 'auto') return publish === 'local' ? 'local' : 'cluster'
  const isLocal = io ? isInMemory(io) : publisher === undefined
  return isLocal ? 'local' : 'cluster'
}

interface PublisherContext {
  readonly models: Models
  readonly fanOut: FanOut
  readonly onDisconnect: (client: SlowClient) => void
}

/** The configured publisher, or one for the configured `io`. Without either, one that discards events. */
export function createPublisher(settings: Settings, { models, fanOut, onDisconnect }: PublisherContext): Publisher {
  const { io, publisher, maxBufferedBytes, logger } = settings
  if (publisher) return publisher
  if (!io) return { publish() {}, hasReceivers: () => false }
  const buffers = new ClientBuffers(io, { maxBytes: maxBufferedBytes, logger, onDisconnect })
  const publisherOf = fanOut === 'local' ? socketPublisher : clusterPublisher
  return publisherOf(io, { models, buffers })
}
