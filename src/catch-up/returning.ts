import { setTimeout as sleep } from 'node:timers/promises'
import type { Socket } from 'socket.io'
import { type Cursor, parseCursor } from '../change-log/cursor.ts'
import type { Position } from '../change-log/position.ts'
import { ChangefeedError } from '../errors.ts'
import type { Models } from '../models/model.ts'
import type { CatchUpSettings } from '../publish/catch-up-options.ts'
import { bufferedBytes } from '../publish/socketio/connection.ts'
import type { EncodedMessages } from '../publish/socketio/encoded-messages.ts'
import { type ListRead, ListReads } from '../publish/socketio/list-reads.ts'
import type { LiveHold } from '../publish/socketio/live-hold.ts'
import { type EmitStep, FEED_EVENT } from '../publish/socketio/messages.ts'
import { RecentSubscriptions } from '../publish/socketio/recent-subscriptions.ts'
import { identitiesOfRoom } from '../publish/socketio/rooms.ts'
import type { SentEvent } from '../publish/socketio/sent-event.ts'
import type { SharedSlices } from '../publish/time-slice.ts'
import type { GapReason, LogRanges, ReplayGap, WantedRange } from './log-ranges.ts'
import type { RecentEvents } from './recent-events.ts'
import { SocketReplay } from './socket-replay.ts'

const POLL_MS = 10
/** How long this node may take to publish what the client has received from another one, or what its lists show. */
const PUBLISHED_WITHIN_MS = 30_000
/** How often the database is asked whether the changes that a client's lists show are published, if the feed cannot tell. */
const ASK_MS = 100
/** Above this number of bytes that the client has not read, sending waits. */
const BUFFERED_BYTES = 1024 * 1024
/** A client that reads nothing of them for so long receives a gap, because it holds a turn. In milliseconds. */
const READS_WITHIN_MS = 10_000

export const disconnected = () =>
  new ChangefeedError(
    'E_DISCONNECTED',
    'The socket was disconnected while it caught up: its client asks again when it returns.',
  )

/** There are more messages than one client may receive. */
export class TooMany extends Error {}

/** Events were dropped from memory before they were sent. */
class Dropped extends TooMany {}

export interface ReturningParts {
  readonly models: Models
  readonly settings: CatchUpSettings
  readonly recent: RecentEvents
  readonly ranges: LogRanges
  /** Models whose messages also go to rooms of the app. */
  readonly withAppRooms: ReadonlySet<string>
  /** Of this node. Null while it has none. */
  readonly position: () => Position | null
  /** Of all sockets that catch up. */
  readonly slices: SharedSlices
  readonly encoded: EncodedMessages
}

/** Where a socket goes on. */
export interface Place {
  readonly after: Cursor
  /** Also with what has this cursor. */
  readonly inclusive: boolean
}

/** A socket that catches up, from its request to `caughtUp`. */
export class Returning {
  readonly socket: Socket
  /** Cursor up to which the log was read, where another node publishes. */
  readUpTo: string | undefined
  readonly #hold: LiveHold
  readonly #parts: ReturningParts
  readonly #replay: SocketReplay
  readonly #gaps = new Map<string, GapReason>()
  #refused: ReadonlySet<string> = new Set()
  /** Of the last event that was sent. */
  #lastCursor: string | undefined
  /** The last list that the client has read before it asked. */
  readonly #lastRead: ListRead | undefined
  /** The same, while the client has to wait until what it shows is published. */
  #lists: ListRead | undefined
  #asksAt = performance.now() + ASK_MS
  readonly #publishedBy = performance.now() + PUBLISHED_WITHIN_MS

  constructor(socket: Socket, hold: LiveHold, parts: ReturningParts) {
    this.socket = socket
    this.#hold = hold
    this.#parts = parts
    this.#lastRead = ListReads.of(socket.nsp.server).take(socket)
    const recentLists = RecentSubscriptions.of(socket.nsp.server)
    const isInList = ({ rooms, payload }: EmitStep, cursor: string) =>
      !recentLists.isEmpty && recentLists.leftOut({ rooms, payload, change: { cursor } }).includes(socket.id)
    this.#replay = new SocketReplay(socket, {
      emit: (event, payload, meta) => parts.encoded.emit(socket, event, payload, meta),
      isLeftOut: (step, cursor) => this.#refused.has(step.event) || isInList(step, cursor),
    })
  }

  /** Sends missed messages of these models only, and reports a gap of the others. */
  allowOnly(identities: readonly string[]): void {
    const allowed = new Set(identities.map(identity => identity.toLowerCase()))
    this.#refused = new Set([...this.#parts.models.keys()].filter(identity => !allowed.has(identity)))
    this.#miss('refused', this.#refused)
  }

  /** Number of messages sent so far. */
  get replayed(): number {
    return this.#replay.messages
  }

  get gaps(): ReplayGap[] {
    const reasons = [...new Set(this.#gaps.values())]
    const of = (reason: GapReason) =>
      [...this.#gaps].filter(([, each]) => each === reason).map(([identity]) => identity)
    return reasons.map(reason => ({ reason, identities: of(reason) }))
  }

  /** The models of the rooms that the socket is in. Any of those that publish to rooms of the app, if it is in such a room. */
  identities(): Set<string> {
    const { models, withAppRooms } = this.#parts
    const identities = new Set<string>()
    for (const room of this.socket.rooms) {
      const ofModel = identitiesOfRoom(room)
      for (const identity of ofModel) if (models.has(identity)) identities.add(identity)
      if (ofModel.length === 0) for (const identity of withAppRooms) identities.add(identity)
    }
    return identities
  }

  /** The client continues from its cursor, not from the lists that it has just read. */
  forgetLists(): void {
    this.#lists = this.#lastRead
    RecentSubscriptions.of(this.socket.nsp.server).forgetSocket(this.socket.id)
  }

  release(): void {
    this.#hold.release(this.socket)
  }

  /** Sends a range of the log. False if the rest of it is a gap. */
  async readLog(range: WantedRange): Promise<boolean> {
    for (let from = range; ; from = { ...range, ...(this.#place ?? range) }) {
      const { replayed } = this
      try {
        return await this.#readRange(from)
      } catch (error) {
        if (!(error instanceof Dropped) || this.replayed === replayed) throw error
      }
    }
  }

  async #readRange(range: WantedRange): Promise<boolean> {
    let isWhole = true
    for await (const { sentTo, gaps } of this.#parts.ranges.read(range)) {
      for (const { reason, identities } of gaps) {
        this.#miss(reason, identities)
        if (reason === 'tooOld' || reason === 'otherEpoch') isWhole = false
      }
      await this.#sendAll(sentTo(this.socket.rooms))
    }
    return isWhole
  }

  /**
   * Sends the events in memory from a number on, and releases the socket in the moment in which none is left. Otherwise they
   * were dropped before they were sent: the place behind which to go on, or undefined if nothing was sent.
   */
  async readMemory(number: number): Promise<'done' | Place | undefined> {
    const { replayed } = this
    try {
      await this.#readMemory(number)
      return 'done'
    } catch (error) {
      if (!(error instanceof Dropped)) throw error
      return this.replayed === replayed ? undefined : this.#place
    }
  }

  /** What is sent from here on may repeat messages of one change. */
  get #place(): Place | undefined {
    return this.#lastCursor === undefined ? undefined : { after: parseCursor(this.#lastCursor), inclusive: true }
  }

  /** Whether the feed has published what the client's lists show, see {@link ListReads}. */
  get #hasPublishedLists(): boolean {
    if (this.#lists === undefined) return true
    const { after } = this.#lists
    return after === undefined || after?.isPublished === true
  }

  async #waitForLists() {
    this.#assertConnected()
    const now = performance.now()
    if (now > this.#publishedBy) throw new TooMany('The feed is behind.')
    const after = this.#lists?.after
    if (!after || now < this.#asksAt) return await sleep(POLL_MS)
    this.#asksAt = now + ASK_MS
    if (!(await after.hasUnpublishedChanges())) this.#lists = undefined
  }

  async #readMemory(number: number) {
    const { recent } = this.#parts
    for (let next = number; ; ) {
      const { end } = recent
      if (end > next) await this.#sendAll(recent.concerning(this.socket.rooms, next, end))
      next = end
      if (recent.end > next) continue
      const pending = recent.sending ?? this.#hold.pending
      if (pending)
        await pending.catch(() => {}) // of messages that this socket is left out of, because they are in memory
      else if (this.#hasPublishedLists) break
      else await this.#waitForLists()
    }
    this.release()
  }

  /** Waits until this node has published the tick. */
  async published(tick: bigint): Promise<void> {
    const deadline = performance.now() + PUBLISHED_WITHIN_MS
    while ((this.#parts.position()?.tick.id ?? tick) < tick) {
      if (performance.now() > deadline) throw new TooMany('The feed is behind.')
      await sleep(POLL_MS)
      this.#assertConnected()
    }
  }

  missAll(reason: GapReason): void {
    this.#miss(reason, this.identities())
  }

  /** Reports gaps and the end, behind everything that was sent. */
  finish(cursor: string): void {
    for (const gap of this.gaps) this.socket.emit(FEED_EVENT, { verb: 'gap', ...gap })
    this.socket.emit(FEED_EVENT, { verb: 'caughtUp', cursor })
  }

  #miss(reason: GapReason, missing: Iterable<string>) {
    const own = this.identities()
    for (const identity of missing) if (own.has(identity) && !this.#gaps.has(identity)) this.#gaps.set(identity, reason)
  }

  /** Takes turns with the other sockets, and waits for a client that does not read. */
  async #sendAll(events: Iterable<SentEvent | undefined>) {
    const { slices } = this.#parts
    const left = events[Symbol.iterator]()
    while (!(await slices.run(isOver => this.#sendSome(left, isOver)))) await this.#drained()
  }

  async #drained() {
    let [least, since] = [Number.POSITIVE_INFINITY, 0]
    while (this.socket.connected) {
      const [bytes, now] = [bufferedBytes(this.socket.conn), performance.now()]
      if (bytes <= BUFFERED_BYTES) return
      if (bytes < least) [least, since] = [bytes, now]
      if (now - since > READS_WITHIN_MS) throw new TooMany('The client does not read.')
      await sleep(POLL_MS)
    }
  }

  /** Whether none is left. */
  #sendSome(left: Iterator<SentEvent | undefined>, isOver: () => boolean): boolean {
    this.#assertConnected()
    for (;;) {
      const { done, value } = left.next()
      if (done) return true
      if (!value) throw new Dropped()
      this.#replay.send(value)
      this.#lastCursor = value.cursor
      const { maxMessages, maxBytes } = this.#parts.settings
      if (this.replayed > maxMessages || this.#replay.bytes > maxBytes) throw new TooMany('Too many messages.')
      if (isOver()) return false
    }
  }

  #assertConnected() {
    if (!this.socket.connected) throw disconnected()
  }
}
