import type { Server } from 'socket.io'
import type { SailsApp } from '../hook/sails-app.ts'
import type { MessageKey } from './message-key.ts'

/** Sends the keys of published messages to the other processes of the app. */
export interface ClusterBus {
  announce(origin: string, keys: readonly MessageKey[]): void
  /** Calls `onAnnounced` with unvalidated data. Returns a function that stops listening. */
  listen(onAnnounced: (origin: unknown, keys: unknown) => void): () => void
}

const EVENT = 'changefeed:published'

/** Undefined if the cluster adapter cannot send messages between servers. */
export function clusterBusOf(sails: SailsApp, io: Server): ClusterBus | undefined {
  if (canEmitToServers(io)) return adapterBus(io)
  return BUS_ADAPTERS.has(sails.config.sockets?.adapter ?? '') ? adminBus(sails) : undefined
}

function adapterBus(io: Server): ClusterBus {
  return {
    announce: (origin, keys) => io.serverSideEmit(EVENT, origin, keys),
    listen(onAnnounced) {
      io.of('/').on(EVENT, onAnnounced)
      return () => io.of('/').off(EVENT, onAnnounced)
    },
  }
}

/** The base class of the adapters defines the method as well, but only logs a warning. */
function canEmitToServers(io: Server): boolean {
  let prototype: unknown = io.of('/').adapter
  while (prototype && !Object.hasOwn(prototype, 'serverSideEmit')) prototype = Object.getPrototypeOf(prototype)
  return prototype !== null && (prototype as object).constructor.name !== 'Adapter'
}

/** Adapters for which sails-hook-sockets provides an admin bus between the processes. */
const BUS_ADAPTERS = new Set(['@sailshq/socket.io-redis', 'socket.io-redis'])

function adminBus(sails: SailsApp): ClusterBus {
  return {
    announce(origin, keys) {
      const { sockets } = sails.hooks as { sockets?: Bus }
      sockets?.broadcastAdminMessage(EVENT, { origin, keys })
    },
    listen(onAnnounced) {
      const onMessage = ({ event, payload }: BusMessage) =>
        event === EVENT && onAnnounced(payload?.origin, payload?.keys)
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
