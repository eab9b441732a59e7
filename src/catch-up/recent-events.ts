import { type Cursor, parseCursor } from '../change-log/cursor.ts'
import type { Position } from '../change-log/position.ts'
import { WHOLE_TICK } from '../change-log/tick.ts'
import type { MessageMeta, RecordEvent } from '../publish/mapping/record-event.ts'
import type { SentEvent } from '../publish/socketio/sent-event.ts'
import { indexAfter, type LoggedEvent, loggedEvent } from './log-segment.ts'
import { RoomIndex } from './room-index.ts'

/** Share of the limit that remains after older events were dropped, so that dropping is rare. */
const REMAINING = 0.75

/** An event in memory, and when it was sent, by `performance.now()`. */
export interface RecentEvent extends LoggedEvent {
  readonly sentAt: number
}

/**
 * The events that this node sent last, in order, up to a number of bytes. They are complete from a tick on: whole ticks
 * are dropped, and events without receivers are not kept, but noted by model.
 */
export class RecentEvents {
  readonly #maxBytes: number
  #events: RecentEvent[] = []
  /** Number of the first of them, counted from the beginning. */
  #first = 0
  readonly #index = new RoomIndex()
  #bytes = 0
  #sending: Promise<void> | undefined
  #tick = 0n
  /** Events of later ticks are complete. Null while this node does not publish. */
  #completeAfter: bigint | null = null
  #epoch = 0
  /** When this node began to publish, by `performance.now()`. */
  #beganAt = 0
  /** The last tick with an event that was not kept, by model. */
  readonly #unheard = new Map<string, bigint>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Number of the next event. */
  get end(): number {
    return this.#first + this.#events.length
  }

  /** Cursor of the last event. Undefined without events. */
  get last(): string | undefined {
    return this.#events.at(-1)?.sent.cursor
  }

  /** Resolves when the last event has reached the sockets. Undefined if it has. Code that awaits it runs before the next event. */
  get sending(): Promise<void> | undefined {
    return this.#sending
  }

  /** The last event is being sent. The returned promise settles as the given one, but after the code that awaits {@link sending}. */
  sendingUntil(sent: Promise<void>): Promise<void> {
    const ended = () => {
      if (this.#sending === sending) this.#sending = undefined
    }
    const sending: Promise<void> = sent.then(ended, ended)
    this.#sending = sending
    return sending.then(() => sent)
  }

  /** Whether this node publishes, so that its last events are here. */
  get isRecording(): boolean {
    return this.#completeAfter !== null
  }

  /** Whether this node has published all events since this time, by `performance.now()`. */
  hasRecordedSince(time: number): boolean {
    return this.isRecording && this.#beganAt <= time
  }

  /** Publishing begins at a position. With `isContinuous`, nothing was published elsewhere in between. */
  begin({ epoch, tick, partial }: Position, { isContinuous }: { readonly isContinuous: boolean }): void {
    if (isContinuous && this.isRecording && epoch === this.#epoch) return
    this.#drop(this.#events.length)
    this.#unheard.clear()
    this.#epoch = epoch
    this.#beganAt = performance.now()
    this.#completeAfter = partial?.tick ?? tick.id
    this.#tick = this.#completeAfter + 1n
  }

  /** Another node publishes from now on. */
  stop(): void {
    this.#completeAfter = null
  }

  add(event: RecordEvent, sent: SentEvent): void {
    if (this.#completeAfter === null) return
    const logged = loggedEvent(event, sent)
    if (logged.cursor.tick > this.#tick) this.#tick = logged.cursor.tick
    // The rest of a tick that did not fit, or whose beginning was sent earlier. A notice may have the cursor of the tick before.
    const isOfEarlierTick = logged.cursor.tick <= this.#completeAfter && event.verb !== 'refetch'
    if (this.#tick <= this.#completeAfter || isOfEarlierTick) return
    this.#index.add(this.end, sent)
    this.#events.push({ ...logged, tick: this.#tick, sentAt: performance.now() })
    this.#bytes += logged.bytes
    if (this.#bytes > this.#maxBytes) this.#evict()
  }

  /** Notes an event without receivers. */
  skip(event: RecordEvent, { cursor }: MessageMeta): void {
    const { tick } = parseCursor(cursor)
    this.#unheard.set(event.identity, tick)
    if (event.verb === 'created') for (const { identity } of event.reverse) this.#unheard.set(identity, tick)
  }

  /** All later events about these models are in memory. */
  completeFrom(identities: Iterable<string>): Cursor | null {
    if (this.#completeAfter === null) return null
    let tick = this.#completeAfter
    for (const identity of identities) {
      const unheard = this.#unheard.get(identity)
      if (unheard !== undefined && unheard > tick) tick = unheard
    }
    return { epoch: this.#epoch, tick, seq: WHOLE_TICK }
  }

  /** Number of the first event behind the cursor; with `inclusive`, of the first at it. */
  numberAfter(cursor: Cursor, inclusive: boolean): number {
    return this.#first + indexAfter(this.#events, cursor, inclusive)
  }

  /** Number of the first event that was sent at this time or later, by `performance.now()`. */
  numberSince(time: number): number {
    const index = this.#events.findIndex(({ sentAt }) => sentAt >= time)
    return index < 0 ? this.end : this.#first + index
  }

  /**
   * The events from one number to before another that concern a socket in these rooms, as {@link RoomIndex.concerning}
   * finds them. Undefined in place of events that were dropped.
   */
  *concerning(rooms: ReadonlySet<string>, start: number, end: number): Generator<SentEvent | undefined> {
    if (start < this.#first) yield undefined
    for (const number of this.#index.concerning(rooms, start, end)) {
      const { size } = rooms
      yield this.#events[number - this.#first]?.sent
      if (rooms.size !== size && number + 1 < this.#first) yield undefined // some of a room that was joined
    }
  }

  #evict() {
    let [count, bytes] = [0, this.#bytes]
    while (bytes > this.#maxBytes * REMAINING && count < this.#events.length) {
      const tick = this.#events[count]?.tick
      for (let event = this.#events[count]; event && event.tick === tick; event = this.#events[count]) {
        bytes -= event.bytes
        count++
      }
      if (tick !== undefined) this.#completeAfter = tick
    }
    this.#drop(count)
  }

  #drop(count: number) {
    for (const { bytes } of this.#events.splice(0, count)) this.#bytes -= bytes
    this.#first += count
    this.#index.forget(this.#first)
  }
}
