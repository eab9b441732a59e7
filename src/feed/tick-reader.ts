import type { LoggedChange } from '../change-log/change.ts'
import { compareCursors } from '../change-log/cursor.ts'
import { extentOfLog, hasTick, newestTick, type Position, storedPosition, ticksAfter } from '../change-log/position.ts'
import { hasChanges } from '../change-log/presence.ts'
import type { ChangeLogReader } from '../change-log/reader.ts'
import { type Tick, type TickRange, WHOLE_TICK } from '../change-log/tick.ts'
import type { Database } from '../db/connect.ts'
import type { FanOut } from '../publish/fan-out.ts'
import { PublishedChanges } from './published-changes.ts'

/** Maximum number of ticks read at once. */
const BATCH = 100

/** The recipient of the changes. */
export interface Destination {
  deliver(page: readonly LoggedChange[], done: (seq: bigint) => void): Promise<void>
  /**
   * All pages of a tick were published. Records of the `disordered` tables were published out of order, which may leave
   * clients with an older state.
   */
  completeTick(disordered: readonly number[]): Promise<void>
}

/**
 * Reads tick after tick and tracks the position. The position advances only with changes that `deliver` has completed,
 * so a reader can stop anywhere and resume from there.
 */
export class TickReader {
  readonly #db: Database
  readonly #reader: ChangeLogReader
  /** Shared with the readers that follow in this process. */
  readonly published: PublishedChanges
  #position: Position
  #tickedAt = Number.NEGATIVE_INFINITY

  constructor(db: Database, reader: ChangeLogReader, { position, published }: Resumed) {
    this.#db = db
    this.#reader = reader
    this.#position = position
    this.published = published
  }

  get position(): Position {
    return this.#position
  }

  /** Call after clients were notified of the gap before the position. */
  gapDeclared(): void {
    const { gap: _, ...position } = this.#position
    this.#position = position
  }

  /** Publishes existing ticks, up to the tick with the id `until`. True if there were any. */
  async follow(to: Destination, until: bigint = WHOLE_TICK): Promise<boolean> {
    const ticks = await ticksAfter(this.#db, this.#position.tick.id, { until, limit: BATCH })
    if (ticks.length === 0) await this.#assertUnbroken()
    for (let passed = 0; passed < ticks.length; ) passed += await this.#passSome(ticks.slice(passed), to)
    return ticks.length > 0
  }

  /** Creates and publishes a tick, as a leader that has published all existing ones. True if it had changes. */
  async publishNextTick(to: Destination, term: string, onTick: () => void): Promise<boolean> {
    const next = await this.#reader.createTick(this.#position.epoch, this.#position.tick, term)
    if (!next) return false
    onTick()
    await this.#deliver(next.range.to, next.page, to)
    if (next.more) await this.#read(next.range, next.page.at(-1)?.cursor.seq ?? 0n, to, startsOf(next.page))
    this.#complete(next.range.to)
    return true
  }

  /** Advances the position of an idle feed, so that older changes can be freed. */
  async advanceIdle(everyMs: number, term: string): Promise<void> {
    if (performance.now() - this.#tickedAt < everyMs) return
    const tick = await this.#reader.createIdleTick(this.#position.tick, term)
    if (tick) this.#complete(tick)
  }

  /** Skips everything that is not published: the position is a new tick. */
  async skipToNow(term: string): Promise<void> {
    const newest = (await newestTick(this.#db)) ?? this.#position.tick
    const tick = await this.#reader.createEmptyTick(newest, term)
    this.#position = { epoch: this.#position.epoch, tick, gap: 'gap' }
    this.published.restart(this.#position)
  }

  /** Publishes the small ticks at the start of the list, or its first tick. Returns how many. */
  async #passSome(ticks: readonly Tick[], to: Destination): Promise<number> {
    const { epoch, tick: from, partial } = this.#position
    const small = partial ? [] : await this.#reader.smallTicks(epoch, from, ticks)
    if (small.length > 0) await this.#assertUnbroken()
    for (const [place, changes] of small.entries()) {
      const tick = ticks[place] ?? from
      if (changes.length > 0) await this.#deliver(tick, changes, to)
      this.#complete(tick)
    }
    const [first] = ticks
    if (small.length > 0 || !first) return small.length
    await this.#pass(first, to)
    return 1
  }

  async #pass(tick: Tick, to: Destination) {
    const { epoch, tick: from, partial } = this.#position
    const afterSeq = partial?.tick === tick.id ? partial.seq : 0n
    await this.#read({ epoch, from, to: tick }, afterSeq, to)
    this.#complete(tick)
  }

  /** Without changes that were published in a tick that is lost. */
  async #deliver(tick: Tick, page: readonly LoggedChange[], to: Destination) {
    const fresh = this.published.newOf(page)
    this.published.begin(tick.id, page)
    if (fresh.length > 0) {
      await to.deliver(fresh, seq => {
        this.published.reach(seq)
        this.#reach(tick, seq)
      })
    }
    this.published.end(page)
  }

  async #read(range: TickRange, afterSeq: bigint, to: Destination, pageStarts: bigint[] = []) {
    for await (const page of this.#reader.pages(range, afterSeq)) {
      pageStarts.push(...startsOf(page))
      await this.#assertUnbroken()
      await this.#deliver(range.to, page, to)
    }
    if (afterSeq === 0n && pageStarts.length < 2) return await this.#assertUnbroken()
    const disordered = await this.#reader.disorderedTables(range, pageStarts)
    await this.#assertUnbroken()
    await to.completeTick(disordered)
  }

  /**
   * Throws if unpublished changes were freed. The leader's position determines what is freed, so a node slower than the
   * retention may lose changes. Checked after each read, since later freeing does not affect changes already read. The
   * next session declares the gap.
   */
  async #assertUnbroken() {
    const { epoch, oldest } = await extentOfLog(this.#db)
    if (epoch !== this.#position.epoch) throw new Error('The database has started a new epoch.')
    if (oldest > this.#position.tick.id) {
      throw new Error(
        'Changes were freed before this node published them: it is slower than the retention. Raise `retentionMs`.',
      )
    }
  }

  #reach(tick: Tick, seq: bigint) {
    this.#position = { ...this.#position, partial: { tick: tick.id, seq } }
  }

  #complete(tick: Tick) {
    this.#tickedAt = performance.now()
    this.#position = { epoch: this.#position.epoch, tick }
  }
}

const startsOf = (page: readonly LoggedChange[]): bigint[] => page.slice(0, 1).map(({ cursor }) => cursor.seq)

/** Where a process goes on, and what it has published before. */
export interface Resumed {
  readonly position: Position
  readonly published: PublishedChanges
}

export const resumedAt = (position: Position): Resumed => ({ position, published: new PublishedChanges(position) })

/** What a process reached in an earlier session, with the server's timeline. */
export interface SessionCheckpoint extends Resumed {
  readonly timeline: string
}

/** The state from which a session resumes. */
export interface Resumption {
  readonly epoch: number
  readonly timeline: string
  readonly checkpoint: SessionCheckpoint | null
  readonly leads: boolean
  /** With `local` only the position of this node counts. With `cluster` another node may have published. */
  readonly fanOut: FanOut
}

/**
 * The position to resume from. If the log no longer has the following changes, the newest tick with a gap to declare.
 */
export async function resume(db: Database, resumption: Resumption): Promise<Resumed> {
  const own = await checkpointPosition(db, resumption)
  const position = await positionToResume(db, resumption, own)
  const { checkpoint } = resumption
  return checkpoint && own && isSamePosition(position, own) ? { ...checkpoint, position } : resumedAt(position)
}

async function positionToResume(db: Database, resumption: Resumption, own: Position | null): Promise<Position> {
  const { epoch, checkpoint, leads, fanOut } = resumption
  const { oldest } = await extentOfLog(db)
  const newest = await newestTick(db)
  if (!newest)
    throw new Error('The change log has no tick: its tables were emptied manually. Uninstall and install again.')
  const isUsable = (position: Position | null): position is Position =>
    position?.epoch === epoch && position.tick.id >= oldest && position.tick.id <= newest.id
  if (fanOut === 'local' && (checkpoint || !leads)) {
    if (isUsable(own)) return own
    const now = { epoch, tick: newest }
    return checkpoint ? { ...now, gap: checkpoint.position.epoch === epoch ? 'gap' : 'epoch' } : now
  }
  const stored = await storedPosition(db, epoch)
  return furthest([own, stored].filter(isUsable)) ?? { epoch, tick: newest, gap: 'gap' }
}

/**
 * The position of the checkpoint, if the log still has its ticks. A crash of the server or a failover may have lost the
 * last ones. The snapshots in memory may then include transactions that were lost too, so the position is that of the
 * last tick before. If the log has all changes that were published since, these are left out of the next tick. Otherwise
 * clients are notified of a gap. After a failover, a node that publishes for all uses the stored position.
 */
async function checkpointPosition(db: Database, resumption: Resumption): Promise<Position | null> {
  const { epoch, checkpoint, timeline, fanOut } = resumption
  if (!checkpoint || checkpoint.position.epoch !== epoch) return checkpoint?.position ?? null
  const isSameTimeline = checkpoint.timeline === timeline
  if (!isSameTimeline && fanOut === 'cluster') return null
  const { tick: former, partial, gap } = checkpoint.position
  const tick = await newestTick(db, former.id)
  if (!tick) return null
  const isLost = !isSame(tick, former) || (partial !== undefined && !(await hasTick(db, { id: partial.tick })))
  if (!isLost && isSameTimeline) return checkpoint.position
  const isAnother = tick.id === former.id && !isSame(tick, former)
  if (isAnother || (isLost && !(await areKept(db, checkpoint.published, tick.id)))) return { epoch, tick, gap: 'gap' }
  return { epoch, tick, ...(gap && { gap }) }
}

/** Whether the changes that were published after this tick are in the log. They are expected again then. */
async function areKept(db: Database, published: PublishedChanges, tick: bigint): Promise<boolean> {
  const changes = published.after(tick)
  if (!changes || !(await hasChanges(db, changes))) return false
  published.expectAgain(tick)
  return true
}

/** Not with a gap, after which changes that were published before are published again. */
const isSamePosition = (a: Position, own: Position) => a === own && own.gap === undefined

const isSame = (a: Tick, b: Tick) => a.id === b.id && a.snapshot === b.snapshot

/** The furthest position, since other nodes may have published since this process did. */
function furthest(positions: readonly Position[]): Position | undefined {
  return positions.toSorted((a, b) => compareCursors(reached(b), reached(a)))[0]
}

const reached = ({ epoch, tick, partial }: Position) => ({
  epoch,
  tick: partial?.tick ?? tick.id,
  seq: partial?.seq ?? WHOLE_TICK,
})
