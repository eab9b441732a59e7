import { type Cursor, compareCursors, parseCursor } from '../change-log/cursor.ts'
import type { Position } from '../change-log/position.ts'
import type { RecordEvent } from '../publish/mapping/record-event.ts'
import type { SentEvent } from '../publish/socketio/sent-event.ts'
import { RoomIndex } from './room-index.ts'

/** An event of the change log, as it would be sent. */
export interface LoggedEvent {
  readonly sent: SentEvent
  readonly cursor: Cursor
  /** The tick after which it is published. A notice about a whole tick has an earlier cursor. */
  readonly tick: bigint
  /** Models with a message in it. */
  readonly identities: readonly string[]
  readonly bytes: number
}

export function loggedEvent(event: RecordEvent, sent: SentEvent): Omit<LoggedEvent, 'tick'> {
  const reverse = event.verb === 'created' ? event.reverse.map(({ identity }) => identity) : []
  const identities = reverse.length === 0 ? [event.identity] : [...new Set([event.identity, ...reverse])]
  return { sent, cursor: parseCursor(sent.cursor), identities, bytes: bytesOf(sent) }
}

/** Of the messages as JSON, with an allowance for objects. */
function bytesOf({ steps, meta }: SentEvent): number {
  return steps.reduce((sum, step) => sum + JSON.stringify(step).length, OVERHEAD_BYTES + JSON.stringify(meta).length)
}

const OVERHEAD_BYTES = 300

/** The events of some consecutive ticks, up to a number of bytes. Beyond it, models with many bytes are left out. */
export class EventList {
  readonly #maxBytes: number
  #events: LoggedEvent[] = []
  #bytes = 0
  readonly #bytesOf = new Map<string, number>()
  readonly #omitted = new Set<string>()
  #tick = 0n
  readonly #index = new RoomIndex()
  /** Number of events in the index. */
  #indexed = 0
  #version = 0
  #isFreed = false
  /** Changes that were read, with or without events. */
  changes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get events(): readonly LoggedEvent[] {
    return this.#events
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Changes when events are removed. Whoever iterates over them meanwhile must begin again. */
  get version(): number {
    return this.#version
  }

  /** Of the present events. */
  get index(): RoomIndex {
    for (; this.#indexed < this.#events.length; this.#indexed++) {
      const event = this.#events[this.#indexed]
      if (event) this.#index.add(this.#indexed, event.sent)
    }
    return this.#index
  }

  /** Models with events that are missing, because there were too many. */
  get omitted(): ReadonlySet<string> {
    return this.#omitted
  }

  /** Whether the events of this model are left out. */
  omits(identity: string): boolean {
    return this.#omitted.has(identity)
  }

  add(event: Omit<LoggedEvent, 'tick'>): void {
    const [identity = ''] = event.identities
    if (event.cursor.tick > this.#tick) this.#tick = event.cursor.tick
    if (this.#omitted.has(identity)) {
      for (const each of event.identities) this.#omitted.add(each)
      return
    }
    this.#events.push({ ...event, tick: this.#tick })
    this.#bytes += event.bytes
    this.#bytesOf.set(identity, (this.#bytesOf.get(identity) ?? 0) + event.bytes)
    while (this.#bytes > this.#maxBytes) this.#omitLargest()
  }

  get isFreed(): boolean {
    return this.#isFreed
  }

  /** Frees all events, although somebody may still refer to the list. */
  free(): void {
    this.#isFreed = true
    this.#keep([])
    this.#bytes = 0
    this.#bytesOf.clear()
  }

  /** Appends a list of the ticks that follow. */
  append(list: EventList): void {
    for (const identity of list.omitted) this.#omitted.add(identity)
    for (const event of list.events) this.add(event)
    this.changes += list.changes
  }

  #omitLargest() {
    const [largest = ''] = [...this.#bytesOf].toSorted(([, a], [, b]) => b - a)[0] ?? []
    const [kept, dropped]: [LoggedEvent[], LoggedEvent[]] = [[], []]
    for (const event of this.#events) (event.identities[0] === largest ? dropped : kept).push(event)
    this.#keep(kept)
    this.#bytes -= this.#bytesOf.get(largest) ?? 0
    this.#bytesOf.delete(largest)
    for (const identity of [largest, ...dropped.flatMap(({ identities }) => identities)]) this.#omitted.add(identity)
  }

  #keep(events: LoggedEvent[]) {
    this.#events = events
    this.#index.clear()
    this.#indexed = 0
    this.#version++
  }
}

/** Where the ticks of a segment begin and end in the log. */
export interface LogSegment {
  /** Its events are those of later ticks. */
  readonly from: Position
  /** Up to and including this tick. Later ticks are appended. */
  upTo: Position
  /** Ticks up to this id are read. Ids have holes. */
  until: bigint
  /** Index of the next segment that may have ticks. */
  next: bigint
  readonly list: EventList
}

/** Index of the first event behind the cursor, in the order of publishing; with `inclusive`, of the first at it. */
export function indexAfter(events: readonly LoggedEvent[], cursor: Cursor, inclusive: boolean): number {
  const [start, end] = [firstOfTick(events, cursor.tick), firstOfTick(events, cursor.tick + 1n)]
  let last = -1
  for (let place = start; place < end; place++) {
    if (!isAt(events[place], cursor)) continue
    if (inclusive) return place
    last = place
  }
  return last < 0 ? indexBeyond(events, cursor) : last + 1
}

/** Index of the first event with a later cursor. */
export function indexBeyond(events: readonly LoggedEvent[], cursor: Cursor): number {
  const end = firstOfTick(events, cursor.tick + 1n)
  for (let place = firstOfTick(events, cursor.tick); place < end; place++) {
    const event = events[place]
    if (event && compareCursors(event.cursor, cursor) > 0) return place
  }
  return end
}

const isAt = (event: LoggedEvent | undefined, cursor: Cursor) =>
  event !== undefined && compareCursors(event.cursor, cursor) === 0

/** Index of the first event of this tick or a later one, by binary search. */
function firstOfTick(events: readonly LoggedEvent[], tick: bigint): number {
  let [low, high] = [0, events.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((events[middle]?.tick ?? tick) < tick) low = middle + 1
    else high = middle
  }
  return low
}
