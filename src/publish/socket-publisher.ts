import type { Server } from 'socket.io'
import type { Models } from '../ontology/model.ts'
import type { MessageMeta, PublishCall } from './call.ts'
import { stepsOf } from './messages.ts'
import { shownMeta, socketsLeftOut } from './origin.ts'
import type { Publisher } from './publisher.ts'
import { type Scope, stepPerformer } from './step-performer.ts'

export interface SocketPublisherOptions {
  readonly models: Models
  /**
   * Whose sockets hear of a change: this server's own (`local`: every node runs a feed, whatever the adapter), or those of
   * all servers of the adapter (`cluster`: only the leader publishes). @default 'local'
   */
  readonly scope?: Scope
  /** The rooms that have a member. @default those with a member on this server */
  readonly knownRooms?: () => Iterable<string>
  /**
   * The sockets that a write with this origin leaves out.
   * @default the one whose id the origin is, or that asked an action of a Sails app
   */
  readonly exceptSocketIds?: (origin: string) => readonly string[]
}

/** Done when `publish` returns. */
export interface SocketPublisher extends Publisher {
  publish(call: PublishCall, meta: MessageMeta): void
}

/**
 * Publishes on a socket.io server with the rooms, events and payloads of Sails. Each message carries `meta` as its second
 * argument. A socket in the class room is in the new record's room before `publish` returns.
 *
 * @example
 * const publisher = socketPublisher(io, { models: readModels(ontology.collections) })
 */
export function socketPublisher(io: Server, options: SocketPublisherOptions): SocketPublisher {
  const { models, scope = 'local', knownRooms, exceptSocketIds = socketNamed(io, scope) } = options
  const perform = stepPerformer(io, { models, scope, ...(knownRooms && { knownRooms }) })
  return {
    publish(call, meta) {
      const except = meta.origin === undefined ? [] : [...exceptSocketIds(meta.origin)]
      for (const step of stepsOf(call)) perform(step, { meta: shownMeta(meta), except })
    },
  }
}

/**
 * An origin is free text, and socket.io leaves out the members of any room that it is given: only what names a socket may
 * be left out, or a tag that equals a room's name would silence the room.
 */
function socketNamed(io: Server, scope: Scope) {
  const namesSocket = (origin: string) =>
    scope === 'local' ? io.of('/').sockets.has(origin) : /^[A-Za-z0-9_-]{20}$/.test(origin)
  return (origin: string) => socketsLeftOut(origin) ?? (namesSocket(origin) ? [origin] : [])
}
