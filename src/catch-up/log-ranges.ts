import { sql } from 'kysely'
import { BoundedMap } from '../bounded-map.ts'
import type { Cursor } from '../change-log/cursor.ts'
import { extentOfLog, hasTick, newestTick, type Position, ticksAfter } from '../change-log/position.ts'
import { type Tick, WHOLE_TICK } from '../change-log/tick.ts'
import { AbortController } from '../node-globals.ts'
import type { RangeReadEvent } from '../pipeline/events.ts'
import { listPauses, type Pause } from '../pipeline/pauses.ts'
import { affectedModels } from '../publish/mapping/record-events.ts'
import type { SentEvent } from '../publish/socketio/sent-event.ts'
import { AlteredModels } from './altered-models.ts'
import { whenAvailable } from './available-database.ts'
import { LogReaders, type LogReadersParts } from './log-readers.ts'
import { EventList, indexAfter, indexBeyond, type LoggedEvent, type LogSegment } from './log-segment.ts'
import { SharedQuery } from './shared-query.ts'

/** Ticks with the same quotient of their id belong to the same segment. */
const TICKS_PER_SEGMENT = 64n
/** Share of the cache that the events of one segment may have. */
const SEGMENT_SHARE = 4
/** Every node has noticed a resumed model after this time, in milliseconds. */
const NOTICED_WITHIN_MS = 10_000
/** How long the state of the log is shared among those who ask for a range with an end, in milliseconds. */
const RECENT_MS = 100
/** Number of ticks of cursors that are remembered. */
const EXISTING = 10_000
/** Changes that are read for one client, as a multiple of the messages that it may receive. */
const CHANGES_PER_MESSAGE = 10

export interface LogRangesParts extends LogReadersParts {
  /** Size of the cached events, in bytes. */
  readonly memoryBytes: number
  /** Maximum number of messages that a client receives. */
  readonly maxMessages: number
  /** Called for each segment that a client needs. */
  readonly onRange: (range: RangeReadEvent) => void
}

/**
 * Why messages are missing: the cursor is older than the log, it belongs to another history of the database, there are
 * too many messages, too many sockets catch up at once, the feed itself skipped changes, the policy excludes the models, or
 * the socket announced itself and did not ask in time.
 */
export type GapReason = 'tooOld' | 'otherEpoch' | 'tooMuch' | 'tooMany' | 'declared' | 'refused' | 'expired'

export interface ReplayGap {
  readonly reason: GapReason
  readonly identities: readonly string[]
}

/** A part of a range, in the order of publishing. Undefined ends it where the rest was freed, because it was not read in time. */
export interface LogChunk {
  readonly sent: Iterable<SentEvent | undefined>
  /** Those that concern a socket in these rooms. A room that is joined meanwhile counts from then on. */
  sentTo(rooms: ReadonlySet<string>): Iterable<SentEvent | undefined>
  /** Models with events that are missing in this part. */
  readonly gaps: readonly ReplayGap[]
}

export interface WantedRange {
  readonly after: Cursor
  /** Also the events at that cursor. @default false */
  readonly inclusive?: boolean
  /** @default everything that the leader has read by now */
  readonly until?: Cursor
}

interface LogState {
  readonly epoch: number
  /** Changes of later ticks are in the log. */
  readonly oldest: bigint
  readonly newest: bigint
  readonly pauses: readonly Pause[]
  /** Models whose columns were altered, with the first tick after it. */
  readonly altered: ReadonlyMap<string, bigint | null>
}

/**
 * Past events, worked out again from the change log as a feed would publish them now: rules, related rows and visibility
 * are the same, with the results of queries as of now. A later change of such a row is part of the range or follows it, so
 * clients end on the same state.
 *
 * The log is divided into segments of whole ticks, because rules keep state within a tick. A segment is read once, by
 * whoever asks first, and kept while the cache has room. So the memory and the queries do not depend on the number of
 * clients. A segment that leaves the cache is freed also while a slow client has not received all of it.
 */
export class LogRanges {
  readonly #parts: LogRangesParts
  readonly #readers: LogReaders
  readonly #state: SharedQuery<LogState>
  readonly #altered: AlteredModels
  /** Least recently used first. */
  readonly #segments = new Map<bigint, LogSegment>()
  readonly #extending = new Map<bigint, Promise<LogSegment>>()
  readonly #end = new AbortController()
  #epoch = 0
  /** The last tick that is known to exist. If it is lost, others that were read may be lost too. */
  #last: Pick<Tick, 'id'> | null = null
  /** Ticks of cursors that are known to exist. */
  #existing = new BoundedMap<bigint, true>({ count: EXISTING })

  constructor(parts: LogRangesParts) {
    this.#parts = parts
    this.#readers = new LogReaders(parts)
    this.#altered = new AlteredModels(parts.db, parts.models)
    this.#state = new SharedQuery(() => this.#readState())
  }

  /** Of the cached events. */
  get bytes(): number {
    return [...this.#segments.values()].reduce((sum, { list }) => sum + list.bytes, 0)
  }

  /** Number of ranges that were read from the log. */
  get reads(): number {
    return this.#readers.reads
  }

  /**
   * The events of a range, part by part. A gap `tooOld`, `otherEpoch`, or `tooMuch` for all models, is the last part.
   * Throws `E_CONNECT` and errors of Postgres.
   */
  async *read({ after, inclusive = false, until }: WantedRange): AsyncGenerator<LogChunk> {
    const { state, reason, declared } = await whenAvailable(() => this.#look(after, until), this.#end.signal)
    if (reason) return yield this.#gapOfAll(reason)
    if (declared.length > 0) yield withoutEvents({ reason: 'declared', identities: declared })
    const last = until?.tick ?? state.newest
    let changes = 0
    for (let index = segmentOf(after.tick); index <= segmentOf(last); ) {
      const segment = await this.#segment(index, last)
      if (segment === 'freed') return yield this.#gapOfAll('tooOld')
      if (segment.list.isFreed) continue
      index = segment.next
      changes += segment.list.changes
      if (changes > this.#parts.maxMessages * CHANGES_PER_MESSAGE) return yield this.#gapOfAll('tooMuch')
      yield chunkOf(segment, { after, inclusive, ...(until && { until }) }, new Set(declared))
    }
  }

  /** What is known about a range before its events are read. */
  async #look(after: Cursor, until: Cursor | undefined) {
    const state = until ? await this.#state.askRecent(RECENT_MS) : await this.#state.ask()
    const reason = await this.#outside(state, after)
    const missing = reason ? [] : [...(await this.#pausedSince(state, after)), ...alteredSince(state, after)]
    return { state, reason, declared: this.#affectedBy(missing) }
  }

  async close(): Promise<void> {
    this.#end.abort(new Error('The feed was stopped.'))
    await this.#readers.close()
    this.#segments.clear()
  }

  async #readState(): Promise<LogState> {
    const { db } = this.#parts
    const [pauses, altered] = [await listPauses(db), await this.#altered.read()]
    const [newest, extent] = [await newestTick(db), await extentOfLog(db)]
    const isLost = this.#last !== null && !(await hasTick(db, this.#last))
    if (isLost || extent.epoch !== this.#epoch) this.#segments.clear()
    if (isLost) {
      this.#last = null
      this.#existing = new BoundedMap({ count: EXISTING })
    }
    this.#epoch = extent.epoch
    return { ...extent, newest: newest?.id ?? 0n, pauses, altered }
  }

  /** A crash of the server may have lost the tick of the cursor. */
  async #outside({ epoch, oldest }: LogState, after: Cursor): Promise<'tooOld' | 'otherEpoch' | undefined> {
    if (after.epoch !== epoch) return 'otherEpoch'
    const isCovered = after.tick > oldest || (after.tick === oldest && after.seq === WHOLE_TICK)
    if (!isCovered) return 'tooOld'
    return (await this.#exists(after.tick)) ? undefined : 'otherEpoch'
  }

  /** One query for all who come from the same tick. */
  async #exists(id: bigint): Promise<boolean> {
    if (this.#existing.has(id)) return true
    const exists = await hasTick(this.#parts.db, { id })
    if (!exists) return false
    this.#existing.set(id, true)
    if (id > (this.#last?.id ?? -1n)) this.#last = { id }
    return true
  }

  /**
   * Models that are paused, or were resumed since. Their changes were not published, and clients received `refetch` when
   * the model was resumed.
   */
  async #pausedSince({ pauses }: LogState, { tick }: Cursor): Promise<string[]> {
    if (pauses.length === 0) return []
    const since = (await this.#timeBefore(tick)).getTime() - NOTICED_WITHIN_MS
    const missing = pauses.filter(({ resumedAt }) => resumedAt === null || resumedAt.getTime() >= since)
    return missing.map(({ identity }) => identity)
  }

  /** These models, and those whose clients are stale without their changes. */
  #affectedBy(identities: readonly string[]): string[] {
    const { models } = this.#parts
    const known = identities.flatMap(identity => models.get(identity) ?? [])
    return [...new Set(known.flatMap(model => affectedModels(model, models)))]
  }

  /** When the tick before this one was created, on the server's clock. */
  async #timeBefore(tick: bigint): Promise<Date> {
    const { rows } = await sql<{ at: Date }>`
      select at from ${this.#parts.db.our('tick')} where id < ${String(tick)}::bigint order by id desc limit 1`.execute(
      this.#parts.db.kysely,
    )
    return rows[0]?.at ?? new Date(0)
  }

  #gapOfAll(reason: GapReason): LogChunk {
    const models = [...this.#parts.models.values()].filter(({ junction }) => !junction)
    return withoutEvents({ reason, identities: models.map(({ identity }) => identity) })
  }

  /** The segment, up to the tick `until` at least. */
  async #segment(index: bigint, until: bigint): Promise<LogSegment | 'freed'> {
    const end = until < lastTickOf(index) ? until : lastTickOf(index)
    const began = performance.now()
    let isShared = true
    const segment = await this.#upTo(index, end, () => {
      isShared = false
    })
    this.#parts.onRange({ isShared, tookMs: performance.now() - began })
    return segment
  }

  async #upTo(index: bigint, end: bigint, onRead: () => void): Promise<LogSegment | 'freed'> {
    for (;;) {
      const known = this.#segments.get(index)
      if (known && known.until >= end) return this.#used(index, known)
      const segment = await whenAvailable(() => this.#extendedOrFreed(index, end, onRead), this.#end.signal)
      if (segment === 'freed' || segment.until >= end) return segment
    }
  }

  async #extendedOrFreed(index: bigint, end: bigint, onRead: () => void): Promise<LogSegment | 'freed'> {
    try {
      const extending = this.#extending.get(index)
      if (!extending) onRead()
      return await (extending ?? this.#extend(index, end))
    } catch (error) {
      const { epoch, oldest } = await extentOfLog(this.#parts.db)
      if (epoch !== this.#epoch || oldest > index * TICKS_PER_SEGMENT) return 'freed'
      throw error
    }
  }

  #extend(index: bigint, until: bigint): Promise<LogSegment> {
    const extending = this.#extended(index, until).finally(() => this.#extending.delete(index))
    this.#extending.set(index, extending)
    return extending
  }

  async #extended(index: bigint, until: bigint): Promise<LogSegment> {
    const { memoryBytes } = this.#parts
    const maxBytes = memoryBytes / SEGMENT_SHARE
    const known = this.#segments.get(index)
    const from = known?.upTo ?? (await this.#positionBefore(index))
    const { list, upTo } = await this.#readers.read({ from, until, maxBytes })
    const next = await this.#indexAfter(index, until)
    const segment = known ?? { from, upTo, until, next, list: new EventList(maxBytes) }
    segment.list.append(list)
    Object.assign(segment, { upTo, until, next })
    if (upTo.tick.id >= (this.#last?.id ?? -1n)) this.#last = upTo.tick
    this.#used(index, segment)
    this.#evict()
    return segment
  }

  /** Tick ids skip ahead with every leader. */
  async #indexAfter(index: bigint, until: bigint): Promise<bigint> {
    if (until < lastTickOf(index)) return index + 1n
    const [tick] = await ticksAfter(this.#parts.db, until, { until: WHOLE_TICK, limit: 1 })
    return tick ? segmentOf(tick.id) : index + 1n
  }

  /** The last tick before the segment, or the oldest of the log. */
  async #positionBefore(index: bigint): Promise<Position> {
    const { db } = this.#parts
    const { epoch, oldest } = await extentOfLog(db)
    const first = index * TICKS_PER_SEGMENT
    const tick = await newestTick(db, first > oldest ? first - 1n : oldest)
    if (!tick) throw new Error('The change log has no tick.')
    return { epoch, tick }
  }

  #used(index: bigint, segment: LogSegment): LogSegment {
    this.#segments.delete(index)
    this.#segments.set(index, segment)
    return segment
  }

  #evict() {
    let { bytes } = this
    for (const [index, { list }] of this.#segments) {
      if (bytes <= this.#parts.memoryBytes || this.#segments.size === 1) return
      if (this.#extending.has(index)) continue
      this.#segments.delete(index)
      bytes -= list.bytes
      list.free()
    }
  }
}

/** The notice to live clients may have followed the changes of the first tick that shows it. */
const alteredSince = ({ altered }: LogState, { tick }: Cursor): string[] =>
  [...altered].flatMap(([identity, first]) => (first === null || tick <= first ? identity : []))

const segmentOf = (tick: bigint) => tick / TICKS_PER_SEGMENT

const lastTickOf = (index: bigint) => (index + 1n) * TICKS_PER_SEGMENT - 1n

const withoutEvents = (gap: ReplayGap): LogChunk => ({ sent: [], sentTo: () => [], gaps: [gap] })

/** The part of a segment that is in the range, without the events of some models. */
function chunkOf(
  { list }: LogSegment,
  { after, inclusive = false, until }: WantedRange,
  without: ReadonlySet<string>,
): LogChunk {
  const { events, omitted, index, version } = list
  const start = indexAfter(events, after, inclusive)
  const end = until ? indexBeyond(events, until) : events.length
  const isWanted = ({ identities }: LoggedEvent) => !without.has(identities[0] ?? '')
  const gaps: ReplayGap[] = omitted.size > 0 ? [{ reason: 'tooMuch', identities: [...omitted] }] : []
  function* sentOf(numbers: Iterable<number>): Generator<SentEvent | undefined> {
    for (const number of numbers) {
      if (list.version !== version) break
      const event = list.events[number]
      if (event && isWanted(event)) yield event.sent
    }
    if (list.version !== version) yield undefined
  }
  return {
    sent: sentOf(numbersFrom(start, end)),
    sentTo: rooms => sentOf(index.concerning(rooms, start, end)),
    gaps,
  }
}

function* numbersFrom(start: number, end: number): Generator<number> {
  for (let number = start; number < end; number++) yield number
}
