import type { Server } from 'socket.io'
import type { Models } from '../../models/model.ts'
import type { FanOut } from '../fan-out.ts'
import type { MessageMeta, RecordEvent } from '../mapping/record-event.ts'
import { shownMeta } from '../origin.ts'
import type { Publisher } from '../publisher.ts'
import { socketsConnectedTo } from './adapter.ts'
import type { ClientBuffers } from './client-buffers.ts'
import { clientModels } from './client-models.ts'
import { type Step, stepsOf } from './messages.ts'
import { socketsLeftOut } from './origin-socket.ts'
import { changeOf } from './recent-subscriptions.ts'
import { sentEvent } from './sent-event.ts'
import { type Delivery, StepPerformer } from './step-performer.ts'

export interface SocketPublisherOptions {
  readonly models: Models
  /** Buffers of this server's own sockets, to wait for and to limit. @default none: the server has no sockets */
  readonly buffers?: ClientBuffers
  /** @default 'local' */
  readonly fanOut?: FanOut
  /** The rooms that have a member. @default those with a member on this server */
  readonly knownRooms?: () => Iterable<string>
}

/**
 * Publishes on a socket.io server with the rooms, events and payloads of Sails. Each message carries `meta` as its second
 * argument. Sockets in the class room have joined a new record's room when `publish` returns. It returns a promise only for
 * messages with many receivers.
 *
 * @example
 * const publisher = socketPublisher(io, { models: readModels(ontology.collections), buffers: new ClientBuffers(io) })
 */
export function socketPublisher(
  io: Server,
  options: SocketPublisherOptions,
): Required<Pick<Publisher, 'publish' | 'drained' | 'hasReceivers' | 'sent' | 'sockets'>> {
  const { models, buffers, fanOut = 'local', knownRooms } = options
  const visible = clientModels(io, models)
  const performer = new StepPerformer(io, { models, fanOut, ...(knownRooms && { knownRooms }) })
  return {
    publish(event: RecordEvent, meta: MessageMeta) {
      const except = socketsLeftOut(io, fanOut, meta.origin)
      const change = event.verb === 'refetch' ? undefined : changeOf(event, meta)
      const delivery = { meta: shownMeta(meta), except, change }
      return performAll(performer, stepsOf(event, visible()), delivery)
    },
    drained: () => buffers?.drained(),
    sent: (event, meta) =>
      sentEvent(event, meta, { models: visible(), leftOut: origin => socketsLeftOut(io, fanOut, origin) }),
    hasReceivers: event => stepsOf(event, visible()).some(step => performer.hasReceivers(step)),
    sockets: () => socketsConnectedTo(io),
  }
}

function performAll(performer: StepPerformer, steps: readonly Step[], delivery: Delivery): Promise<void> | undefined {
  const underway = steps.map(step => performer.perform(step, delivery)).filter(promise => promise !== undefined)
  return underway.length === 0 ? undefined : Promise.all(underway).then(() => {})
}
