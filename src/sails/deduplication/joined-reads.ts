import type { Server } from 'socket.io'
import type { Models } from '../../models/model.ts'
import type { FeedSnapshot } from '../../publish/feed-snapshot.ts'
import { ListReads } from '../../publish/socketio/list-reads.ts'
import {
  type RecentSubscription,
  RecentSubscriptions,
  recentSubscription,
} from '../../publish/socketio/recent-subscriptions.ts'
import { identitiesOfRoom } from '../../publish/socketio/rooms.ts'
import type { ActionRequests, KnownRequest } from '../attribution/action-requests.ts'
import { type BlueprintAnswer, membersShown } from './members-shown.ts'

/** A feed of the app. */
export interface SnapshotSource {
  /** Identities of the models that it publishes. */
  readonly models: readonly string[]
  /** A snapshot that is taken after the call. Undefined if the feed does not publish on this node. */
  snapshot(): Promise<FeedSnapshot | undefined>
}

export interface JoinedReadsOptions {
  readonly io: Server
  readonly requests: ActionRequests
  readonly sources: () => readonly SnapshotSource[]
  readonly models: () => Models
}

/** Maximum delay of a request whose snapshot is late, in milliseconds. Then it runs without one. */
const WAIT_MS = 1_000

/** What is known of a request of a socket while it is underway. */
interface Read {
  readonly snapshots: Map<SnapshotSource, FeedSnapshot>
  readonly subscriptions: Map<SnapshotSource, RecentSubscription>
}

/**
 * Joins lists and messages for actions that read records and then subscribe their socket: blueprints, and actions of the
 * app that have done so before. A snapshot is taken before the action runs, and so before it reads. The rooms that its
 * socket joins by then are those of a {@link RecentSubscription}.
 */
export class JoinedReads {
  readonly #options: JoinedReadsOptions
  readonly #recent: RecentSubscriptions
  /** Names of actions of the app that have subscribed their socket. */
  readonly #subscribing = new Set<string>()
  /** By socket id. Oldest first. */
  readonly #underway = new Map<string, Map<KnownRequest, Read>>()

  constructor(options: JoinedReadsOptions) {
    this.#options = options
    this.#recent = RecentSubscriptions.of(options.io)
  }

  attach(): void {
    const { io, requests } = this.#options
    io.of('/').adapter.on('join-room', this.#onJoin).on('leave-room', this.#onLeave)
    requests.beforeAction = request => this.#begin(request)
    requests.onAnswered = (request, answer) => this.#end(request, answer)
  }

  detach(): void {
    const { io, requests } = this.#options
    io.of('/').adapter.off('join-room', this.#onJoin).off('leave-room', this.#onLeave)
    requests.beforeAction = () => undefined
    requests.onAnswered = () => {}
  }

  #begin(request: KnownRequest): Promise<void> | undefined {
    const { socketId, action } = request
    if (socketId === undefined) return undefined
    const read = { snapshots: new Map(), subscriptions: new Map() }
    const underway = this.#underway.get(socketId) ?? new Map<KnownRequest, Read>()
    this.#underway.set(socketId, underway.set(request, read))
    return action.blueprint || this.#subscribing.has(action.name) ? this.#takeSnapshots(read) : undefined
  }

  /** Never rejects. Without a snapshot the client may receive what its list contains. */
  async #takeSnapshots({ snapshots }: Read): Promise<void> {
    const taken = this.#options.sources().map(async source => {
      const snapshot = await source.snapshot()
      if (snapshot) snapshots.set(source, snapshot)
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise(resolve => {
      timer = setTimeout(resolve, WAIT_MS)
    })
    await Promise.race([Promise.allSettled(taken), late])
    clearTimeout(timer)
  }

  /** By the adapter's event, as an app may join rooms by any function. */
  readonly #onJoin = (room: string, socketId: string) => {
    if (!room.startsWith('sails_model_')) return
    const { requests } = this.#options
    requests.safely('joining lists and messages', () => this.#join(room, socketId, requests.current), undefined)
  }

  /** A socket that disconnects leaves the room of its own id. */
  readonly #onLeave = (room: string, socketId: string) => {
    if (room === socketId) this.#underway.delete(socketId)
  }

  #join(room: string, socketId: string, request: KnownRequest | undefined) {
    const underway = this.#underway.get(socketId)
    const read = request && underway?.get(request)
    if (!read) return
    this.#subscribing.add(request.action.name)
    const source = this.#sourceOf(room)
    // Another request of the socket may have read before this one began, and need what was published in between.
    const [oldest] = underway?.values() ?? []
    const before = source && oldest?.snapshots.get(source)
    if (!before) return
    const subscription = read.subscriptions.get(source) ?? recentSubscription(socketId, before)
    read.subscriptions.set(source, subscription)
    this.#recent.add(subscription, [room])
  }

  /** Undefined if the name of the room could belong to models of several databases. */
  #sourceOf(room: string): SnapshotSource | undefined {
    const identities = identitiesOfRoom(room)
    const sources = this.#options.sources().filter(({ models }) => models.some(each => identities.includes(each)))
    return sources.length === 1 ? sources[0] : undefined
  }

  #end(request: KnownRequest, answer: () => BlueprintAnswer) {
    const { socketId = '' } = request
    const underway = this.#underway.get(socketId)
    const read = underway?.get(request)
    underway?.delete(request)
    if (underway?.size === 0) this.#underway.delete(socketId)
    if (!read) return
    this.#noteRead(socketId, read)
    if (read.subscriptions.size === 0) return
    const members = membersShown(answer(), this.#options.models())
    for (const [source, subscription] of read.subscriptions) {
      subscription.members = new Set(members.filter(member => !subscription.removed.has(member)))
      void this.#complete(source, subscription)
    }
  }

  /** Sockets catch up where there is one feed. */
  #noteRead(socketId: string, { snapshots }: Read) {
    const { io } = this.#options
    const socket = io.of('/').sockets.get(socketId)
    const [source] = snapshots.keys()
    if (socket && source && ListReads.of(io).needs(socket)) ListReads.of(io).add(socket, source.snapshot())
  }

  async #complete(source: SnapshotSource, subscription: RecentSubscription) {
    const after = await source.snapshot().catch(() => undefined)
    if (after) subscription.after = after
    else this.#recent.forget(subscription)
  }
}
