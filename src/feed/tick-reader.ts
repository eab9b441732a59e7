import type { LoggedChange } from '../change-log/change.ts'
import { compareCursors } from '../change-log/cursor.ts'
import { extentOfLog, newestTick, type Position, storedPosition, ticksAfter } from '../change-log/position.ts'
import type { ChangeLogReader } from '../change-log/reader.ts'
import { type Tick, type TickRange, WHOLE_TICK } from '../change-log/tick.ts'
import type { Database } from '../db/connect.ts'

/** Ticks that are looked up at once. */
const BATCH = 100

/** Where the changes go. */
export interface Destination {
  deliver(page: readonly LoggedChange[], done: (seq: bigint) => void): Promise<void>
  /** A tick of several pages is published; some records of these tables in an order that may leave clients with an older state. */
  completeTick(disordered: readonly number[]): Promise<void>
}

/**
 * One reader's way along the ticks. Its position moves only past what `deliver` has finished, change by change, so a
 * reader that is stopped anywhere goes on from there.
 */
export class TickReader {
  readonly #db: Database
  readonly #reader: ChangeLogReader
  #position: Position
  #tickedAt = Number.NEGATIVE_INFINITY

  constructor(db: Database, reader: ChangeLogReader, position: Position) {
    this.#db = db
    this.#reader = reader
    this.#position = position
  }

  get position(): Position {
    return this.#position
  }

  /** The clients were notified of the gap before the position. */
  gapDeclared(): void {
    const { gap: _, ...position } = this.#position
    this.#position = position
  }

  /** Goes along the ticks that are cut already. True when there were any. */
  async follow(to: Destination): Promise<boolean> {
    const ticks = await ticksAfter(this.#db, this.#position.tick.id, BATCH)
    if (ticks.length === 0) await this.#assertUnbroken()
    for (const tick of ticks) await this.#pass(tick, to)
    return ticks.length > 0
  }

  /** Cuts a tick, as the leader who has followed all others, and goes along it. True when it had changes. */
  async publishNextTick(to: Destination, term: string, onCut: () => void): Promise<boolean> {
    const cut = await this.#reader.createTick(this.#position.epoch, this.#position.tick, term)
    if (!cut) return false
    onCut()
    await to.deliver(cut.page, seq => this.#reach(cut.range.to, seq))
    if (cut.more) await this.#read(cut.range, cut.page.at(-1)?.cursor.seq ?? 0n, to, startsOf(cut.page))
    this.#complete(cut.range.to)
    return true
  }

  /** Moves on with the time where nothing is written: what the position no longer needs can be freed. */
  async keepUp(slotMs: number, term: string): Promise<void> {
    if (performance.now() - this.#tickedAt < slotMs) return
    const tick = await this.#reader.createIdleTick(this.#position.tick, term)
    if (tick) this.#complete(tick)
  }

  /** Leaves everything behind that is not published: the position is a new tick. */
  async skipToNow(term: string): Promise<void> {
    const newest = (await newestTick(this.#db)) ?? this.#position.tick
    const tick = await this.#reader.createEmptyTick(newest, term)
    this.#position = { epoch: this.#position.epoch, tick, gap: 'gap' }
  }

  async #pass(tick: Tick, to: Destination) {
    const { epoch, tick: from, partial } = this.#position
    const afterSeq = partial?.tick === tick.id ? partial.seq : 0n
    await this.#read({ epoch, from, to: tick }, afterSeq, to)
    this.#complete(tick)
  }

  async #read(range: TickRange, afterSeq: bigint, to: Destination, pageStarts: bigint[] = []) {
    for await (const page of this.#reader.pages(range, afterSeq)) {
      pageStarts.push(...startsOf(page))
      await this.#assertUnbroken()
      await to.deliver(page, seq => this.#reach(range.to, seq))
    }
    if (afterSeq === 0n && pageStarts.length < 2) return await this.#assertUnbroken()
    const disordered = await this.#reader.disorderedTables(range, pageStarts)
    await this.#assertUnbroken()
    await to.completeTick(disordered)
  }

  /**
   * Space is freed as the leader's position allows; whoever is slower than the retention finds less than there was. Asked
   * after each read, as what is freed later has been read. The next session declares the gap.
   */
  async #assertUnbroken() {
    const { epoch, oldest } = await extentOfLog(this.#db)
    if (epoch !== this.#position.epoch) throw new Error('The database has begun a new history.')
    if (oldest > this.#position.tick.id) {
      throw new Error('The change log has freed what this node had not published: it was slower than the retention.')
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

/** How far a process came in an earlier session, and on which timeline of the server. */
export interface SessionCheckpoint {
  readonly position: Position
  readonly timeline: string
}

/** Who wants to go on, on which history. */
export interface Resumption {
  readonly epoch: number
  readonly timeline: string
  readonly checkpoint: SessionCheckpoint | null
  readonly leads: boolean
  /** Whether every node publishes to its own sockets: then only its own way counts. Otherwise one publishes for all. */
  readonly everyNodePublishes: boolean
}

/** Where a reader goes on. Where the log no longer has what follows, at the newest tick, with a gap to be told. */
export async function resume(db: Database, resumption: Resumption): Promise<Position> {
  const { epoch, checkpoint, leads, everyNodePublishes } = resumption
  const { oldest } = await extentOfLog(db)
  const newest = await newestTick(db)
  if (!newest)
    throw new Error('The change log has no tick: its tables were emptied by hand. Uninstall and install again.')
  const isUsable = (position: Position | null): position is Position =>
    position?.epoch === epoch && position.tick.id >= oldest && position.tick.id <= newest.id
  const own = await recalled(db, resumption)
  if (everyNodePublishes && (checkpoint || !leads)) {
    if (isUsable(own)) return own
    const now = { epoch, tick: newest }
    return checkpoint ? { ...now, gap: checkpoint.position.epoch === epoch ? 'gap' : 'epoch' } : now
  }
  const stored = await storedPosition(db, epoch)
  return furthest([own, stored].filter(isUsable)) ?? { epoch, tick: newest, gap: 'gap' }
}

/**
 * Another timeline shares its beginning with the one of before, as far as the log has it; the snapshots in memory may
 * know transactions that are lost. Who publishes for all goes by the stored position then.
 */
async function recalled(
  db: Database,
  { checkpoint, timeline, everyNodePublishes }: Resumption,
): Promise<Position | null> {
  if (!checkpoint || checkpoint.timeline === timeline) return checkpoint?.position ?? null
  if (!everyNodePublishes) return null
  const { epoch, tick: former, gap } = checkpoint.position
  const tick = await newestTick(db, former.id)
  return tick ? { epoch, tick, ...(gap && { gap }) } : null
}

/** Others may have published since this process did. */
function furthest(positions: readonly Position[]): Position | undefined {
  return positions.toSorted((a, b) => compareCursors(reached(b), reached(a)))[0]
}

const reached = ({ epoch, tick, partial }: Position) => ({
  epoch,
  tick: partial?.tick ?? tick.id,
  seq: partial?.seq ?? WHOLE_TICK,
})
