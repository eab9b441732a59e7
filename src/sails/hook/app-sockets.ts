import type { Server } from 'socket.io'
import { fanOutOf } from '../../feed/create-publisher.ts'
import type { Models } from '../../models/model.ts'
import type { FanOut } from '../../publish/fan-out.ts'
import type { Publisher } from '../../publish/publisher.ts'
import { isInMemory } from '../../publish/socketio/adapter.ts'
import { ClientBuffers } from '../../publish/socketio/client-buffers.ts'
import { withFlush } from '../../publish/socketio/cluster-publisher.ts'
import { socketsLeftOut } from '../../publish/socketio/origin-socket.ts'
import { RoomEmitter } from '../../publish/socketio/room-emitter.ts'
import { StepPerformer } from '../../publish/socketio/step-performer.ts'
import { addLegacyPubSub } from '../../realtime/pubsub/pubsub.ts'
import type { ActionRequests } from '../attribution/action-requests.ts'
import { Broadcasts } from '../deduplication/broadcasts.ts'
import { clusterBusOf } from '../deduplication/cluster-bus.ts'
import { JoinedReads, type SnapshotSource } from '../deduplication/joined-reads.ts'
import { mutePublishers } from '../deduplication/mute-publishers.ts'
import { RecentPublications } from '../deduplication/recent-publications.ts'
import { RemotePublications } from '../deduplication/remote-publications.ts'
import { SailsPublisher } from '../deduplication/sails-publisher.ts'
import { logThrough } from './log.ts'
import type { SailsApp, SailsModel, SailsSockets } from './sails-app.ts'
import type { SailsSettings } from './settings.ts'

/** Connects the sockets and models of a lifted app to its feeds. */
export class AppSockets {
  readonly #sails: SailsApp
  readonly #settings: SailsSettings
  readonly #requests: ActionRequests
  readonly #io: Server
  readonly #emitter: RoomEmitter
  readonly #buffers: ClientBuffers
  readonly #broadcasts: Broadcasts
  readonly #remotePublications: RemotePublications | undefined
  readonly #recent: RecentPublications | undefined
  readonly #joinedReads: JoinedReads | undefined
  /** The feeds that publish to these sockets. */
  #sources: readonly SnapshotSource[] = []
  #models: Models = new Map()
  /** Identities of the models whose changes a feed publishes, and the models whose publish functions are muted. */
  readonly #published = new Set<string>()
  readonly #muted = new WeakSet<SailsModel>()
  #tagged = true
  readonly fanOut: FanOut

  private constructor(parts: AppSocketsParts) {
    const { sails, settings, requests, io, sockets } = parts
    this.#sails = sails
    this.#settings = settings
    this.#requests = requests
    this.#io = io
    this.fanOut = fanOutOf({ publish: settings.feed.publish ?? 'auto', io })
    this.#remotePublications =
      settings.blueprints === 'keep' && !isInMemory(io) ? new RemotePublications(clusterBusOf(sails, io)) : undefined
    const { duplicateWindowMs } = settings
    this.#recent = duplicateWindowMs > 0 ? new RecentPublications(duplicateWindowMs) : undefined
    this.#emitter = new RoomEmitter(io, this.fanOut)
    this.#buffers = new ClientBuffers(io, { maxBytes: settings.feed.maxBufferedBytes, logger: logThrough(sails.log) })
    // The messages of blueprints of other processes pass by unseen, and may be older than a list.
    this.#joinedReads = this.#remotePublications
      ? undefined
      : new JoinedReads({ io, requests, sources: () => this.#sources, models: () => this.#models })
    this.#broadcasts = new Broadcasts({
      io,
      sockets,
      model: this.#model,
      publications: this.#publications,
      fanOut: this.fanOut,
      emitter: this.#emitter,
      safely: requests.safely,
    })
  }

  /** Undefined if the app lacks the hook `sockets` or `pubsub`. */
  static of(sails: SailsApp, settings: SailsSettings, requests: ActionRequests): AppSockets | undefined {
    const { io, sockets, hooks } = sails
    return io && sockets && hooks.pubsub ? new AppSockets({ sails, settings, requests, io, sockets }) : undefined
  }

  attach(sources: readonly SnapshotSource[]): void {
    this.#sources = sources
    this.#broadcasts.attach()
    this.#remotePublications?.attach()
    this.#joinedReads?.attach()
    this.#requests.onPublished = (origin, keys) => this.#remotePublications?.announce(origin, keys)
  }

  /** Mutes the publish functions of these models, because a feed publishes their changes from now on. */
  mutePublishers(published: readonly string[]): void {
    if (this.#settings.blueprints === 'keep') return
    for (const identity of published) {
      this.#published.add(identity)
      const model = this.#model(identity)
      if (!model || this.#muted.has(model)) continue
      this.#muted.add(model)
      const delivering = () => this.#broadcasts.delivering || !this.#published.has(identity)
      mutePublishers(model, { delivering, model: this.#model, safely: this.#requests.safely })
    }
  }

  /** Restores the publish functions, because the feed no longer publishes changes of these models. */
  unmutePublishers(identities: readonly string[]): void {
    for (const identity of identities) this.#published.delete(identity)
  }

  detach(): void {
    this.#broadcasts.detach()
    this.#joinedReads?.detach()
    this.#remotePublications?.detach()
  }

  publisherOf(models: Models): Publisher {
    this.#addLegacyNames(models)
    this.#models = new Map([...this.#models, ...models])
    const publisher = new SailsPublisher({
      io: this.#io,
      broadcasts: this.#broadcasts,
      requests: this.#requests,
      remotePublications: this.#remotePublications,
      recent: this.#recent,
      model: this.#model,
      models,
      log: this.#sails.log,
      performer: new StepPerformer(this.#io, { models, fanOut: this.fanOut, emitter: this.#emitter }),
      socketsLeftOut: origin => socketsLeftOut(this.#io, this.fanOut, origin),
      buffers: this.#buffers,
      blueprints: this.#settings.blueprints,
    })
    return this.fanOut === 'cluster' ? withFlush(this.#io, publisher) : publisher
  }

  /** Call if connections cannot be tagged, so that changes cannot be attributed to requests. */
  disableAttribution(): void {
    this.#tagged = false
  }

  readonly #publications = () => (this.#tagged ? this.#requests.current?.publications : undefined) ?? this.#recent

  readonly #model = (identity: string): SailsModel | undefined => this.#sails.models?.[identity]

  /** Adds `User.publishCreate(newUser)`, `message`, `watch` and other methods of Sails v0.12. */
  #addLegacyNames(models: Models) {
    const sockets = this.#sails.sockets as SailsSockets
    const subscribers = (room: string) => [...(this.#io.of('/').adapter.rooms.get(room) ?? [])]
    const shared = { broadcast: broadcastOf(sockets), leave: leaveOf(sockets), subscribers }
    for (const model of models.values()) {
      const live = this.#model(model.identity)
      if (live) addLegacyPubSub(live, model, shared)
    }
  }
}

interface AppSocketsParts {
  readonly sails: SailsApp
  readonly settings: SailsSettings
  readonly requests: ActionRequests
  readonly io: Server
  readonly sockets: SailsSockets
}

/** Looks up the function on each call, because this hook wraps it and apps may replace it. */
const broadcastOf =
  (sockets: SailsSockets) =>
  (...args: Parameters<SailsSockets['broadcast']>): void =>
    sockets.broadcast(...args)

const leaveOf =
  (sockets: SailsSockets) =>
  (socket: unknown, room: string): unknown =>
    sockets.leave(socket, room)
