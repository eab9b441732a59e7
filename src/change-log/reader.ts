import type { Client } from '../db/connect.ts'
import { sqlstateOf } from '../db/sqlstate.ts'
import type { LoggedChange } from './change.ts'
import { type ChangeRow, toChange } from './change-row.ts'
import { snapshotBounds } from './snapshot.ts'
import { changeLogStatements } from './statements.ts'
import type { Tick, TickRange } from './tick.ts'

/** A page ends with the row that exceeds either limit, so memory is bounded for any transaction. */
export const PAGE_ROWS = 500
export const PAGE_BYTES = 4 * 1024 * 1024

export interface NewTick {
  readonly range: TickRange
  readonly page: readonly LoggedChange[]
  /** The page limit was reached. The rest of the tick is read with {@link ChangeLogReader.pages}. */
  readonly more: boolean
}

/** Reads the change log over a dedicated connection. */
export class ChangeLogReader {
  readonly #client: Client
  readonly #sql: ReturnType<typeof changeLogStatements>

  constructor(client: Client, schema: string) {
    this.#client = client
    this.#sql = changeLogStatements(schema)
  }

  /**
   * Creates the next tick and reads its first page, in one statement and therefore one snapshot. Returns null, and
   * writes nothing, if nothing was committed since `previous` or the leader's term has ended. If a change cannot be
   * read, the page is empty and the whole tick is to be read with {@link ChangeLogReader.pages}.
   */
  async createTick(epoch: number, previous: Tick, term: string): Promise<NewTick | null> {
    try {
      return await this.#createTickWithPage(epoch, previous, term)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      return { range: { epoch, from: previous, to: await this.createEmptyTick(previous, term) }, page: [], more: true }
    }
  }

  async #createTickWithPage(epoch: number, previous: Tick, term: string): Promise<NewTick | null> {
    const { xmax, running } = snapshotBounds(previous.snapshot)
    const id = previous.id + 1n
    const values = [xmax, PAGE_ROWS, PAGE_BYTES, String(id), term]
    const { rows } = await this.#client.query<ChangeRow & { snapshot: string }>(
      running.length === 0
        ? { name: 'changefeed_create_tick_after_quiet', text: this.#sql.createTickAfterQuiet, values }
        : { name: 'changefeed_create_tick', text: this.#sql.createTick, values: [...values, running] },
    )
    const [first] = rows
    if (!first) return null
    const range = { epoch, from: previous, to: { id, snapshot: first.snapshot } }
    return { range, page: rows.map(row => toChange(range, row)), more: isFull(rows) }
  }

  /**
   * Tables for which a tick logs a record's changes out of order: a trigger of the app wrote to a row whose change by
   * the outer statement was logged later. {@link reorderByRowImages} corrects the order within a page, so this reports
   * only pairs that span two pages, and those before the first of `pageStarts` (the first seq of each page that was
   * read).
   */
  async disorderedTables(range: TickRange, pageStarts: readonly bigint[]): Promise<number[]> {
    const values = this.#rangeValues(range, 0n)
    const disordered = this.#client.query<{ table_id: number }>(this.#sql.disordered, [
      ...values,
      pageStarts.map(String),
    ])
    const { rows } = await disordered.catch((error: unknown) => {
      if (!isUnreadable(error)) throw error
      return this.#client.query<{ table_id: number }>(this.#sql.nested, values) // any of them may be out of order
    })
    return rows.map(row => row.table_id)
  }

  /** Creates a tick if there is nothing to read, so that the position of an idle feed stays recent. */
  async createIdleTick(previous: Tick, term: string): Promise<Tick | null> {
    const { xmax, running } = snapshotBounds(previous.snapshot)
    const id = previous.id + 1n
    const { rows } = await this.#client.query<{ snapshot: string }>(this.#sql.createIdleTick, [
      xmax,
      running,
      String(id),
      term,
    ])
    return rows[0] ? { id, snapshot: rows[0].snapshot } : null
  }

  /** Creates a tick unconditionally, skipping changes that were not read. Throws when the term has ended. */
  async createEmptyTick(previous: Tick, term: string): Promise<Tick> {
    const id = previous.id + 1n
    const { rows } = await this.#client.query<{ snapshot: string }>(this.#sql.createEmptyTick, [String(id), term])
    if (!rows[0]) throw new Error('Leadership lost: another node holds the lease.')
    return { id, snapshot: rows[0].snapshot }
  }

  /**
   * Reads as many of the ticks that follow `from` as fit into one page, in one query. Returns the changes of each, which
   * may be none. Empty if the first does not fit: read it with {@link ChangeLogReader.pages}.
   */
  async smallTicks(epoch: number, from: Tick, ticks: readonly Tick[]): Promise<LoggedChange[][]> {
    try {
      return await this.#smallTicks(epoch, from, ticks)
    } catch (error) {
      if (isUnreadable(error)) return []
      throw error
    }
  }

  async #smallTicks(epoch: number, from: Tick, ticks: readonly Tick[]): Promise<LoggedChange[][]> {
    const before = ticks.map((_, place) => snapshotBounds((ticks[place - 1] ?? from).snapshot))
    const { rows } = await this.#client.query<ChangeRow & { tick: string }>({
      name: 'changefeed_small_ticks',
      text: this.#sql.smallTicks,
      values: [
        ticks.map(({ id }) => String(id)),
        before.map(({ xmax }) => xmax),
        before.map(({ running }) => `{${running.join(',')}}`),
        ticks.map(({ snapshot }) => snapshotBounds(snapshot).xmax),
        ticks.map(({ snapshot }) => snapshot),
        PAGE_ROWS,
        PAGE_BYTES,
      ],
    })
    const cut = isFull(rows) ? rows.at(-1)?.tick : undefined
    const whole = ticks.slice(0, cut === undefined ? ticks.length : ticks.findIndex(({ id }) => String(id) === cut))
    return whole.map((to, place) => {
      const range = { epoch, from: ticks[place - 1] ?? from, to }
      return rows.filter(({ tick }) => tick === String(to.id)).map(row => toChange(range, row))
    })
  }

  /**
   * Yields the changes of a tick after `afterSeq`, in order. The snapshot used for a long tick is released when the
   * iteration ends. If a page cannot be read, usually because of one row, its rows are read one by one.
   */
  async *pages(range: TickRange, afterSeq: bigint): AsyncGenerator<LoggedChange[]> {
    let reached = afterSeq
    while (true) {
      let unreadable: unknown
      try {
        for await (const page of this.#wholePages(range, reached)) {
          reached = page.at(-1)?.cursor.seq ?? reached
          yield page
        }
        return
      } catch (error) {
        if (!isUnreadable(error)) throw error
        unreadable = error
      }
      const page = await this.#rowByRow(range, reached)
      const last = page.at(-1)
      if (!last) throw unreadable
      reached = last.cursor.seq
      yield page
    }
  }

  async *#wholePages(range: TickRange, afterSeq: bigint): AsyncGenerator<LoggedChange[]> {
    const { rows } = await this.#client.query<ChangeRow>({
      name: 'changefeed_page',
      text: this.#sql.page,
      values: [...this.#rangeValues(range, afterSeq), PAGE_ROWS, PAGE_BYTES],
    })
    if (rows.length === 0) return
    const page = rows.map(row => toChange(range, row))
    yield page
    const last = page.at(-1)
    if (last && isFull(rows)) yield* this.#longTick(range, last.cursor.seq)
  }

  /** Reads a page row by row, up to the byte limit. An unreadable row becomes a change with a defect. */
  async #rowByRow(range: TickRange, afterSeq: bigint): Promise<LoggedChange[]> {
    const values = [...this.#rangeValues(range, afterSeq), PAGE_ROWS]
    const places = await this.#client.query<{ seq: string; xid: string }>(this.#sql.places, values)
    const page: LoggedChange[] = []
    let bytes = 0
    for (const { seq, xid } of places.rows) {
      const row = await this.#oneRow(xid, seq)
      if (row) page.push(toChange(range, row))
      bytes += (row?.old?.length ?? 0) + (row?.new?.length ?? 0)
      if (bytes > PAGE_BYTES) break
    }
    return page
  }

  async #oneRow(xid: string, seq: string): Promise<ChangeRow | undefined> {
    const read = (statement: string) => this.#client.query<ChangeRow>(statement, [xid, seq])
    const { rows } = await read(this.#sql.one).catch((error: unknown) => {
      if (isUnreadable(error)) return read(this.#sql.oneWithoutTexts)
      throw error
    })
    return rows[0]
  }

  /**
   * Reads through server-side cursors, so that the tick is sorted only once. One cursor returns the row sizes, which
   * determine the length of each page. Reads one page ahead.
   */
  async *#longTick(range: TickRange, afterSeq: bigint): AsyncGenerator<LoggedChange[]> {
    await this.#client.query('begin read only')
    try {
      await this.#client.query(this.#sql.declareTick, this.#rangeValues(range, afterSeq))
      await this.#client.query(this.#sql.declareSizes, this.#rangeValues(range, afterSeq))
      const sizes: number[] = []
      let next = this.#nextPage(sizes)
      for (let rows = await next; rows.length > 0; rows = await next) {
        next = this.#nextPage(sizes) // read while this page is published
        next.catch(() => {}) // handled by the next `await`, unless the iteration ends before
        yield rows.map(row => toChange(range, row))
      }
    } finally {
      await this.#client.query('rollback')
    }
  }

  async #nextPage(sizes: number[]): Promise<readonly ChangeRow[]> {
    if (sizes.length < PAGE_ROWS) sizes.push(...(await this.#nextSizes()))
    if (sizes.length === 0) return []
    return (await this.#client.query<ChangeRow>(this.#sql.fetchTick(takePage(sizes)))).rows
  }

  async #nextSizes(): Promise<number[]> {
    const { rows } = await this.#client.query<{ size: number }>(this.#sql.fetchSizes(PAGE_ROWS))
    return rows.map(row => row.size)
  }

  #rangeValues({ from, to }: TickRange, afterSeq: bigint) {
    const before = snapshotBounds(from.snapshot)
    return [before.xmax, before.running, snapshotBounds(to.snapshot).xmax, to.snapshot, String(afterSeq)]
  }
}

/**
 * Session settings of a reader. The statistics of a queue are always stale, so the planner gets fixed choices. A tick is
 * committed asynchronously: a crash of the server may lose the last ones, and their ids are not used again.
 */
export const READER_SETTINGS = `
  set enable_seqscan = off;
  set jit = off;
  set plan_cache_mode = force_generic_plan;
  set synchronous_commit = off;
  set idle_in_transaction_session_timeout = 0;
  set statement_timeout = 0`

/**
 * Whether a logged value caused the error: it has no UTF-8 form (class 22), is too large (53200, class 54), or is
 * damaged (class XX).
 */
const isUnreadable = (error: unknown) => /^(22|54|XX|53200)/.test(sqlstateOf(error) ?? '')

const isFull = (rows: readonly ChangeRow[]) =>
  rows.length >= PAGE_ROWS || Number(rows.at(-1)?.running_bytes ?? 0) > PAGE_BYTES

/** Removes the sizes of one page from the list, and returns its number of rows. */
function takePage(sizes: number[]): number {
  let [rows, bytes] = [0, 0]
  while (rows < Math.min(sizes.length, PAGE_ROWS) && bytes <= PAGE_BYTES) bytes += sizes[rows++] ?? 0
  sizes.splice(0, rows)
  return rows
}
