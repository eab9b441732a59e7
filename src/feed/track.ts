import type { LoggedChange } from '../change-log/change.ts'
import { newestTick, oldestTick, type Position, storedPosition, ticksAfter } from '../change-log/position.ts'
import type { ChangeLogReader } from '../change-log/reader.ts'
import type { Tick, TickRange } from '../change-log/tick.ts'
import type { Database } from '../db/connect.ts'

/** Ticks that are looked up at once. */
const BATCH = 100

type Deliver = (page: readonly LoggedChange[], done: (seq: bigint) => void) => Promise<void>

/**
 * One reader's way along the ticks. Its position moves only past what `deliver` has finished, change by change, so a
 * reader that is stopped anywhere goes on from there.
 */
export class Track {
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

  /** Goes along the ticks that are cut already. True when there were any. */
  async follow(deliver: Deliver): Promise<boolean> {
    const ticks = await ticksAfter(this.#db, this.#position.tick.id, BATCH)
    for (const tick of ticks) await this.#pass(tick, deliver)
    return ticks.length > 0
  }

  /** Cuts a tick, as the leader who has followed all others, and goes along it. True when it had changes. */
  async cut(deliver: Deliver, onCut: () => void): Promise<boolean> {
    const cut = await this.#reader.cut(this.#position.epoch, this.#position.tick)
    if (!cut) return false
    onCut()
    await deliver(cut.page, seq => this.#reach(cut.range.to, seq))
    const last = cut.page.at(-1)
    if (cut.more && last) await this.#read(cut.range, last.cursor.seq, deliver)
    this.#complete(cut.range.to)
    return true
  }

  /** Moves on with the time where nothing is written: what the position no longer needs can be freed. */
  async keepUp(slotMs: number): Promise<void> {
    if (performance.now() - this.#tickedAt < slotMs) return
    const tick = await this.#reader.cutIdle(this.#position.tick)
    if (tick) this.#complete(tick)
  }

  /** Leaves everything behind that is not published: the position is a new tick. */
  async skipToNow(): Promise<void> {
    const newest = (await newestTick(this.#db)) ?? this.#position.tick
    this.#complete(await this.#reader.cutEmpty(newest))
  }

  async #pass(tick: Tick, deliver: Deliver) {
    const { epoch, tick: from, partial } = this.#position
    const afterSeq = partial?.tick === tick.id ? partial.seq : 0n
    await this.#read({ epoch, from, to: tick }, afterSeq, deliver)
    this.#complete(tick)
  }

  async #read(range: TickRange, afterSeq: bigint, deliver: Deliver) {
    for await (const page of this.#reader.pages(range, afterSeq)) {
      await deliver(page, seq => this.#reach(range.to, seq))
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

/** Where a reader goes on. `gap`: what lay between is gone, and it stands at the newest tick instead. */
export interface Resumption {
  readonly position: Position
  readonly gap: boolean
}

/** From what this process remembers, if the database still has it; else, as the leader, from the stored position. */
export async function resume(
  db: Database,
  epoch: number,
  remembered: Position | null,
  leads: boolean,
): Promise<Resumption> {
  const oldest = await oldestTick(db)
  const newest = await newestTick(db)
  if (!newest)
    throw new Error('The change log has no tick: its tables were emptied by hand. Uninstall and install again.')
  const now = { position: { epoch, tick: newest }, gap: true }
  const usable = (position: Position | null): position is Position =>
    position !== null && position.epoch === epoch && position.tick.id >= oldest && position.tick.id <= newest.id
  if (usable(remembered)) return { position: remembered, gap: false }
  if (!leads) return { ...now, gap: remembered !== null }
  const stored = await storedPosition(db, epoch)
  return usable(stored) ? { position: stored, gap: false } : now
}
