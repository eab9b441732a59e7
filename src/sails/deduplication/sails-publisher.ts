import type { Server } from 'socket.io'
import type { Models } from '../../models/model.ts'
import type { MessageMeta, RecordEvent, RefetchEvent } from '../../publish/mapping/record-event.ts'
import { parseOrigin, shownMeta } from '../../publish/origin.ts'
import type { Publisher } from '../../publish/publisher.ts'
import { socketsConnectedTo } from '../../publish/socketio/adapter.ts'
import type { ClientBuffers } from '../../publish/socketio/client-buffers.ts'
import { toRoomsOfApp } from '../../publish/socketio/messages.ts'
import { classRoom, recordRoom } from '../../publish/socketio/rooms.ts'
import type { StepPerformer } from '../../publish/socketio/step-performer.ts'
import type { ActionRequests } from '../attribution/action-requests.ts'
import type { SailsLog, SailsModel } from '../hook/sails-app.ts'
import type { Broadcasts, FeedDelivery } from './broadcasts.ts'
import { keyOfEvent, keysOfEvent, type MessageKey, namesOfNews, subjectOf } from './message-key.ts'
import type { Decision, RequestPublications } from './publication-log.ts'
import type { RecentPublications } from './recent-publications.ts'
import type { RemotePublications } from './remote-publications.ts'

export interface SailsPublisherOptions {
  readonly io: Server
  readonly broadcasts: Broadcasts
  readonly requests: ActionRequests
  /** What the app has published of late of changes that no request is known of. */
  readonly recent: RecentPublications | undefined
  /** Where other processes' actions publish to the same sockets. */
  readonly remotePublications: RemotePublications | undefined
  /** The models as they are now: a reload of the ORM makes others. */
  readonly model: (identity: string) => SailsModel | undefined
  readonly models: Models
  readonly log: SailsLog
  readonly performer: StepPerformer
  /** Ids of the sockets that a change with this origin leaves out. */
  readonly socketsLeftOut: (origin: string | undefined) => string[]
  readonly buffers: ClientBuffers
  /** `keep`: actions publish as ever, and what they published is not published again. */
  readonly blueprints: 'keep' | 'replace'
}

/** Of how much it is known when the feed spoke of it last: of attributes of records, and of their members. */
const SPOKEN = 10_000

/**
 * Publishes through the models' own functions, so that what an app has overridden or added (`_publishCreate`,
 * `_afterPublishUpdate`, ...) is called for every change, whoever made it.
 */
export class SailsPublisher implements Publisher {
  readonly #options: SailsPublisherOptions
  /** When, by `performance.now()`, oldest first. */
  readonly #spoken = new Map<string, number>()

  constructor(options: SailsPublisherOptions) {
    this.#options = options
  }

  async publish(event: RecordEvent, meta: MessageMeta): Promise<void> {
    if (event.verb === 'refetch') return this.#refetch(event, meta)
    const publications = await this.#publications(meta)
    const decisions = new Map(partsOf(event).map(part => [part, this.#decision(part, publications)]))
    const untold = [...decisions.keys()].filter(part => decisions.get(part) !== 'duplicate')
    // Who asked has heard the earlier word as the last one, too.
    const except = untold.some(part => decisions.get(part) === 'outOfOrder')
      ? []
      : this.#options.socketsLeftOut(meta.origin)
    await this.#toRoomsOfApp(event, meta, except)
    if (untold.includes(event)) {
      await this.#call(event, untold, { meta, except })
    } else {
      for (const part of untold) await this.#call(part, [part], { meta, except })
      this.#moveSockets(event)
    }
  }

  /** Not through the model's function, which knows its own rooms only; before it, as it may end memberships of these. */
  async #toRoomsOfApp(event: RecordEvent, meta: MessageMeta, except: readonly string[]) {
    const message = toRoomsOfApp(event)
    if (!message) return
    const delivery = { meta: shownMeta(meta), except: [...except, ...message.except] }
    await this.#options.performer.perform(message.step, delivery)
  }

  sockets(): number | null {
    return socketsConnectedTo(this.#options.io)
  }

  drained(): Promise<void> {
    return this.#options.buffers.drained()
  }

  /** What the action that wrote this has published by now to the sockets that the feed would publish to. */
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
    const spokenAt = Math.max(...keys.map(key => this.#spoken.get(subjectOf(key)) ?? 0))
    const decision = publications.byFeed(keys, spokenAt)
    return decision === 'new' && publications.expected && this.#isUnannounced(event) ? 'duplicate' : decision
  }

  #keysOf(event: RecordEvent): MessageKey[] {
    return keysOfEvent(event, this.#options.models.get(event.identity))
  }

  /** Blueprints publish nothing of members that they keep, and of rows that only get a new `updatedAt`. */
  #isUnannounced(event: RecordEvent): boolean {
    if (event.verb === 'addedTo') return event.kept === true
    if (event.verb !== 'updated' || !event.previous) return false
    return namesOfNews(event, this.#options.models.get(event.identity)).length === 0
  }

  /** Sails itself fails over the members of a `through` association that it has just told of, and so may an app's override. */
  async #call(
    event: RecordEvent,
    told: readonly RecordEvent[],
    { meta, except }: { readonly meta: MessageMeta; readonly except: string[] },
  ) {
    const model = this.#options.model(event.identity)
    if (!model) return
    const keys = new Set(told.map(keyOfEvent).filter((key): key is MessageKey => key !== undefined))
    const delivery: FeedDelivery = {
      meta: shownMeta(meta),
      except,
      keys,
      reverses: event.verb === 'created' || event.verb === 'destroyed', // the others are called with `noReverse`
      sent: new Set(),
    }
    this.#speak(told)
    try {
      await this.#options.broadcasts.deliver(delivery, () => callModel(model, event))
    } catch (error) {
      if (![...keys].every(key => delivery.sent.has(key))) throw error
      this.#options.log.warn(`changefeed: ${event.verb} of ${event.identity} failed, but the message was sent:`, error)
    }
  }

  #speak(events: readonly RecordEvent[]) {
    for (const subject of events.flatMap(event => this.#keysOf(event)).map(subjectOf)) {
      this.#spoken.delete(subject)
      this.#spoken.set(subject, performance.now())
    }
    for (const oldest of this.#spoken.keys()) {
      if (this.#spoken.size <= SPOKEN) break
      this.#spoken.delete(oldest)
    }
  }

  /** An action's own publishing subscribes its sockets later than the next message may come, or not at all. */
  #moveSockets(event: RecordEvent) {
    const { broadcasts } = this.#options
    if (event.verb === 'created') broadcasts.join(classRoom(event.identity), recordRoom(event.identity, event.id))
    if (event.verb === 'destroyed') broadcasts.leave(recordRoom(event.identity, event.id))
  }

  async #refetch({ identity, reason }: RefetchEvent, meta: MessageMeta) {
    const payload = { verb: 'refetch', identity, reason } as const
    await this.#options.performer.perform({ do: 'refetch', identity, payload }, { meta: shownMeta(meta), except: [] })
  }
}

/** A record's creation is announced to others first; each announcement may have been made already. */
const partsOf = (event: RecordEvent): RecordEvent[] => (event.verb === 'created' ? [...event.reverse, event] : [event])

/** The functions may be an app's, and give a promise. */
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
