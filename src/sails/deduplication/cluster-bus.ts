import type { Server } from 'socket.io'
import type { SailsApp } from '../hook/sails-app.ts'
import type { MessageKey } from './message-key.ts'

/** The other processes of the app, told by each of what its actions have published. */
export interface ClusterBus {
  tell(origin: string, keys: readonly MessageKey[]): void
  /** `heard` is called with whatever came, unchecked. Gives what ends that. */
  listen(heard: (origin: unknown, keys: unknown) => void): () => void
}

const EVENT = 'changefeed:published'

/** Undefined where the cluster adapter carries messages to sockets, but no words between servers. */
export function clusterBusOf(sails: SailsApp, io: Server): ClusterBus | undefined {
  if (carriesWords(io)) return peersByAdapter(io)
  return BUS_ADAPTERS.has(sails.config.sockets?.adapter ?? '') ? peersByBus(sails) : undefined
}

function peersByAdapter(io: Server): ClusterBus {
  return {
    tell: (origin, keys) => io.serverSideEmit(EVENT, origin, keys),
    listen(heard) {
      io.of('/').on(EVENT, heard)
      return () => io.of('/').off(EVENT, heard)
    },
  }
}

/** The base class of the adapters has the function too, and complains when it is called. */
function carriesWords(io: Server): boolean {
  let prototype: unknown = io.of('/').adapter
  while (prototype && !Object.hasOwn(prototype, 'serverSideEmit')) prototype = Object.getPrototypeOf(prototype)
  return prototype !== null && (prototype as object).constructor.name !== 'Adapter'
}

/** For these sails-hook-sockets keeps a bus between the processes. */
const BUS_ADAPTERS = new Set(['@sailshq/socket.io-redis', 'socket.io-redis'])

function peersByBus(sails: SailsApp): ClusterBus {
  return {
    tell(origin, keys) {
      const { sockets } = sails.hooks as { sockets?: Bus }
      sockets?.broadcastAdminMessage(EVENT, { origin, keys })
    },
    listen(heard) {
      const onMessage = ({ event, payload }: BusMessage) => event === EVENT && heard(payload?.origin, payload?.keys)
      sails.on('hook:sockets:adminMessage', onMessage)
      return () => sails.off('hook:sockets:adminMessage', onMessage)
    },
  }
}

interface Bus {
  broadcastAdminMessage(event: string, payload: object): void
}

interface BusMessage {
  readonly event?: string
  readonly payload?: { readonly origin?: unknown; readonly keys?: unknown }
}
