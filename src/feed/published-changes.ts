import type { LoggedChange } from '../change-log/change.ts'
import type { Position } from '../change-log/position.ts'
import type { ChangePlace } from '../change-log/presence.ts'

/** Above this number of changes the oldest ticks are forgotten. The server flushes a tick within a second. */
const REMEMBERED = 20_000
/** Share of it that remains then, so that forgetting is rare. */
const REMAINING = 0.75

interface PublishedTick {
  readonly id: bigint
  /** In order. */
  readonly changes: ChangePlace[]
  /** So many of them were published completely. The others may have been. */
  published: number
}

/**
 * The changes that this process published last, by tick. A crash of the server may lose their ticks and keep the changes, which
 * a later tick has again: there they are left out.
 */
export class PublishedChanges {
  /** Oldest first. */
  #ticks: PublishedTick[] = []
  #size = 0
  /** The changes of later ticks are remembered. */
  #since = 0n
  /** {@link keyOf} changes whose ticks were lost, until another tick has them. */
  #again: Set<string> = new Set()

  /** Publishing begins at this position. */
  constructor(position: Position) {
    this.restart(position)
  }

  /** Publishing goes on at this position, without what precedes it. */
  restart({ tick, partial }: Pick<Position, 'tick' | 'partial'>): void {
    this.#since = partial?.tick ?? tick.id
    this.#ticks = []
    this.#size = 0
    this.#again.clear()
  }

  /** The changes of ticks after this one, also those that may have been published. Undefined if some are forgotten. */
  after(tick: bigint): ChangePlace[] | undefined {
    if (tick < this.#since) return undefined
    return this.#ticks.filter(({ id }) => id > tick).flatMap(({ changes }) => changes)
  }

  /** The ticks after this one were lost, and their changes were not. */
  expectAgain(tick: bigint): void {
    const lost = this.#ticks.filter(({ id }) => id > tick)
    this.#again = new Set(lost.flatMap(({ changes, published }) => changes.slice(0, published).map(keyOf)))
  }

  /** Whether ticks follow that have changes that were published already. */
  get expectsAgain(): boolean {
    return this.#again.size > 0
  }

  /** The changes of a page that were not published in a tick that was lost. */
  newOf(page: readonly LoggedChange[]): readonly LoggedChange[] {
    return this.#again.size === 0 ? page : page.filter(change => !this.#again.has(keyOf(placeOf(change))))
  }

  /** A page of the tick is going to be published. */
  begin(id: bigint, page: readonly LoggedChange[]): void {
    const tick = this.#tick(id)
    this.#size += page.length - tick.changes.splice(tick.published).length
    for (const change of page) tick.changes.push(placeOf(change))
    this.#forgetOldest()
  }

  /** The changes of the present page up to this one were published. */
  reach(seq: bigint): void {
    const tick = this.#ticks.at(-1)
    while (tick && (tick.changes[tick.published]?.seq ?? seq + 1n) <= seq) tick.published++
  }

  /** The present page was published. */
  end(page: readonly LoggedChange[]): void {
    const tick = this.#ticks.at(-1)
    if (tick) tick.published = tick.changes.length
    if (this.#again.size > 0) for (const change of page) this.#again.delete(keyOf(placeOf(change)))
  }

  #tick(id: bigint): PublishedTick {
    const last = this.#ticks.at(-1)
    if (last?.id === id) return last
    const tick = { id, changes: [], published: 0 }
    this.#ticks.push(tick)
    return tick
  }

  #forgetOldest() {
    if (this.#size <= REMEMBERED) return
    let count = 0
    for (; this.#size > REMEMBERED * REMAINING; count++) this.#size -= this.#ticks[count]?.changes.length ?? this.#size
    this.#since = this.#ticks.splice(0, count).at(-1)?.id ?? this.#since
  }
}

const placeOf = ({ xid, cursor: { seq }, at }: LoggedChange): ChangePlace => ({ xid, seq, at })

const keyOf = ({ xid, seq, at }: ChangePlace) => `${xid} ${seq} ${at.getTime()}`
