import type { Server } from 'socket.io'
import { BoundedMap } from '../../bounded-map.ts'
import type { Models } from '../../models/model.ts'
import type { MessageMeta, RecordEvent, RefetchEvent } from '../../publish/mapping/record-event.ts'
import { visibleEvent } from '../../publish/mapping/visible-event.ts'
import { parseOrigin, shownMeta } from '../../publish/origin.ts'
import type { Publisher } from '../../publish/publisher.ts'
import { socketsConnectedTo } from '../../publish/socketio/adapter.ts'
import type { ClientBuffers } from '../../publish/socketio/client-buffers.ts'
import { toRoomsOfApp } from '../../publish/socketio/messages.ts'
import { changeOf, type PublishedChange } from '../../publish/socketio/recent-subscriptions.ts'
import { classRoom, recordRoom } from '../../publish/socketio/rooms.ts'
import { type SentEvent, sentEvent } from '../../publish/socketio/sent-event.ts'
import type { StepPerformer } from '../../publish/socketio/step-performer.ts'
import type { ActionRequests } from '../attribution/action-requests.ts'
import type { SailsLog, SailsModel } from '../hook/sails-app.ts'
import type { Broadcasts, FeedDelivery } from './broadcasts.ts'
import { changedNames, keyOfEvent, keysOfEvent, type MessageKey, subjectOf } from './message-key.ts'
import type { Decision, RequestPublications } from './publication-log.ts'
import type { RecentPublications } from './recent-publications.ts'
import type { RemotePublications } from './remote-publications.ts'

export interface SailsPublisherOptions {
  readonly io: Server
  readonly broadcasts: Broadcasts
  readonly requests: ActionRequests
  /** Recent messages of the app about changes that are not attributed to a request. */
  readonly recent: RecentPublications | undefined
  /** Defined if actions of other processes publish to the same sockets. */
  readonly remotePublications: RemotePublications | undefined
  /** Looks up the current model, as a reload of the ORM replaces them. */
  readonly model: (identity: string) => SailsModel | undefined
  readonly models: Models
  readonly log: SailsLog
  readonly performer: StepPerformer
  /** Ids of the sockets that do not receive changes with this origin. */
  readonly socketsLeftOut: (origin: string | undefined) => string[]
  readonly buffers: ClientBuffers
  /** `keep`: actions publish as they do without the feed, and the feed drops duplicates of their messages. */
  readonly blueprints: 'keep' | 'replace'
}

/** Maximum number of subjects (attributes and members of records) whose last publication is remembered. */
const SUBJECTS_MAX = 10_000

/**
 * Publishes through the models' own functions, so that overrides and callbacks of the app (`_publishCreate`,
 * `_afterPublishUpdate`, ...) run for every change, including changes made outside of the app.
 */
export class SailsPublisher implements Publisher {
  readonly #options: SailsPublisherOptions
  /** `performance.now()` of the last publication by subject. */
  readonly #publishedAt = new BoundedMap<string, number>({ count: SUBJECTS_MAX })

  constructor(options: SailsPublisherOptions) {
    this.#options = options
  }

  async publish(event: RecordEvent, meta: MessageMeta): Promise<void> {
    if (event.verb === 'refetch') return this.#refetch(event, meta)
    const publications = await this.#publications(meta)
    const decisions = new Map(partsOf(event).map(part => [part, this.#decision(part, publications)]))
    const pending = [...decisions.keys()].filter(part => decisions.get(part) !== 'duplicate')
    // The requesting socket received the messages out of order as well, so the resent message includes it.
    const except = pending.some(part => decisions.get(part) === 'outOfOrder')
      ? []
      : this.#options.socketsLeftOut(meta.origin)
    await this.#toRoomsOfApp(event, meta, except)
    const change = { ...changeOf(event, meta), alsoSentTo: ('rooms' in event && event.rooms) || [] }
    if (pending.includes(event)) {
      await this.#call(event, pending, { meta, except, change })
    } else {
      for (const part of pending) await this.#call(part, [part], { meta, except, change })
      this.#moveSockets(event, change)
    }
  }

  /** Publishes directly, because the model's function only knows the model's rooms. Runs first, because that function may remove room members. */
  async #toRoomsOfApp(event: RecordEvent, meta: MessageMeta, except: readonly string[]) {
    const message = toRoomsOfApp(event, this.#options.models)
    if (!message) return
    const delivery = { meta: shownMeta(meta), except: [...except, ...message.except] }
    await this.#options.performer.perform(message.step, delivery)
  }

  /** The messages of Sails' own functions. What an override of the app would send is not known. */
  sent(event: RecordEvent, meta: MessageMeta): SentEvent {
    const { models, socketsLeftOut } = this.#options
    return sentEvent(event, meta, { models, leftOut: socketsLeftOut })
  }

  sockets(): number | null {
    return socketsConnectedTo(this.#options.io)
  }

  drained(): Promise<void> {
    return this.#options.buffers.drained()
  }

  /** The messages that the writing action has already published to the sockets of this publisher. */
  async #publications({ origin, at }: MessageMeta): Promise<RequestPublications | undefined> {
    const { requests, remotePublications, recent, blueprints } = this.#options
    if (blueprints === 'replace') return undefined
    if (parseOrigin(origin) === undefined || origin === undefined) return recent
    const own = requests.find(origin)
    if (!own) return await remotePublications?.find(origin, at)
    await own.publications.completed(own.seenAt)
    return own.publications
  }

  #decision(event: RecordEvent, publications: RequestPublications | undefined): Decision {
    const keys = this.#keysOf(event)
    if (keys.length === 0 || !publications) return 'new'
    const publishedAt = Math.max(...keys.map(key => this.#publishedAt.get(subjectOf(key)) ?? 0))
    const decision = publications.byFeed(keys, publishedAt)
    return decision === 'new' && publications.expected && this.#isUnannounced(event) ? 'duplicate' : decision
  }

  #keysOf(event: RecordEvent): MessageKey[] {
    return keysOfEvent(event, this.#options.models.get(event.identity))
  }

  /** Blueprints publish no message for members that they keep, nor for updates that only change `updatedAt`. */
  #isUnannounced(event: RecordEvent): boolean {
    if (event.verb === 'addedTo') return event.kept === true
    if (event.verb !== 'updated' || !event.previous) return false
    return changedNames(event, this.#options.models.get(event.identity)).length === 0
  }

  /**
   * Calls the model's publish function. An error after all messages were sent is only logged: Sails' function throws for
   * members of a `through` association after it has sent their message, and an app's override may do the same.
   */
  async #call(
    event: RecordEvent,
    pending: readonly RecordEvent[],
    { meta, except, change }: Required<Pick<FeedDelivery, 'meta' | 'except' | 'change'>>,
  ) {
    const model = this.#options.model(event.identity)
    if (!model) return
    const keys = new Set(pending.map(keyOfEvent).filter((key): key is MessageKey => key !== undefined))
    const delivery: FeedDelivery = {
      meta: shownMeta(meta),
      except,
      change,
      keys,
      reverses: event.verb === 'created' || event.verb === 'destroyed', // other verbs pass `noReverse`
      sent: new Set(),
    }
    this.#remember(pending)
    try {
      await this.#options.broadcasts.deliver(delivery, () =>
        callModel(model, visibleEvent(event, this.#options.models)),
      )
    } catch (error) {
      if (![...keys].every(key => delivery.sent.has(key))) throw error
      this.#options.log.warn(
        `changefeed: the publish function of ${event.identity} failed after it sent its ${event.verb} message:`,
        error,
      )
    }
  }

  #remember(events: readonly RecordEvent[]) {
    for (const subject of events.flatMap(event => this.#keysOf(event)).map(subjectOf)) {
      this.#publishedAt.set(subject, performance.now())
    }
  }

  /** The action published the message, but may have subscribed sockets too late for the next message, or not at all. */
  #moveSockets(event: RecordEvent, change: PublishedChange) {
    const { broadcasts } = this.#options
    if (event.verb === 'created') {
      broadcasts.join(classRoom(event.identity), recordRoom(event.identity, event.id), change)
    }
    if (event.verb === 'destroyed') broadcasts.leave(recordRoom(event.identity, event.id))
  }

  async #refetch({ identity, reason }: RefetchEvent, meta: MessageMeta) {
    const payload = { verb: 'refetch', identity, reason } as const
    await this.#options.performer.perform({ do: 'refetch', identity, payload }, { meta: shownMeta(meta), except: [] })
  }
}

/** The messages of an event. Each may already have been published by the action; reverse messages precede `created`. */
const partsOf = (event: RecordEvent): RecordEvent[] => (event.verb === 'created' ? [...event.reverse, event] : [event])

/** Overrides of an app may return a promise. */
function callModel(model: SailsModel, event: RecordEvent): unknown {
  const options = { noReverse: true }
  switch (event.verb) {
    case 'created':
      return model._publishCreate(event.record)
    case 'updated':
      return model._publishUpdate(event.id, event.changes, undefined, { ...options, ...previousOf(event) })
    case 'destroyed':
      return model._publishDestroy(event.id, undefined, { ...options, ...previousOf(event) })
    case 'addedTo':
      return model._publishAdd(event.id, event.alias, event.added ?? event.childId, undefined, options)
    case 'removedFrom':
      return model._publishRemove(event.id, event.alias, event.childId, undefined, options)
    case 'refetch':
      return undefined
  }
}

const previousOf = ({ previous }: Pick<Extract<RecordEvent, { verb: 'updated' }>, 'previous'>) =>
  previous ? { previous } : {}
