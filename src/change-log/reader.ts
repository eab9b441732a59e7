import type { Client } from '../db/connect.ts'
import { sqlstateOf } from '../db/sqlstate.ts'
import type { LoggedChange } from './change.ts'
import { type ChangeRow, toChange } from './change-row.ts'
import { snapshotBounds } from './snapshot.ts'
import { changeLogStatements } from './statements.ts'
import type { Tick, TickRange } from './tick.ts'

/** A page ends with the row that passes either bound: memory is bounded whatever a transaction wrote. */
export const PAGE_ROWS = 500
export const PAGE_BYTES = 4 * 1024 * 1024

export interface Cut {
  readonly range: TickRange
  readonly page: readonly LoggedChange[]
  /** The page bound was reached: the rest of the tick is read with {@link ChangeLogReader.pages}. */
  readonly more: boolean
}

/** Reads the change log over one connection, which it has to itself. */
export class ChangeLogReader {
  readonly #client: Client
  readonly #sql: ReturnType<typeof changeLogStatements>

  constructor(client: Client, schema: string) {
    this.#client = client
    this.#sql = changeLogStatements(schema)
  }

  /**
   * Cuts the next tick and reads its first page, in one statement and so in one snapshot. Null, and nothing written,
   * when nothing was committed since `previous`, or when the term of this leader is over. Where a change cannot be read, the
   * page is empty, and the whole tick is read with {@link ChangeLogReader.pages}.
   */
  async cut(epoch: number, previous: Tick, term: string): Promise<Cut | null> {
    try {
      return await this.#cutWithPage(epoch, previous, term)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      return { range: { epoch, from: previous, to: await this.cutEmpty(previous, term) }, page: [], more: true }
    }
  }

  async #cutWithPage(epoch: number, previous: Tick, term: string): Promise<Cut | null> {
    const { xmax, running } = snapshotBounds(previous.snapshot)
    const id = previous.id + 1n
    const { rows } = await this.#client.query<ChangeRow & { snapshot: string }>({
      name: 'changefeed_cut',
      text: this.#sql.cut,
      values: [xmax, running, PAGE_ROWS, PAGE_BYTES, String(id), term],
    })
    const [first] = rows
    if (!first) return null
    const range = { epoch, from: previous, to: { id, snapshot: first.snapshot } }
    return { range, page: rows.map(row => toChange(range, row)), more: isFull(rows) }
  }

  /**
   * The tables of which a tick logs a record's changes out of order: a trigger of the app wrote to a row whose own change
   * by the outer statement was logged later. Within a page that is put right, so only pairs in two pages count; and those
   * before `pageStarts`, the first seq of each page that was read, as their pages are not known.
   */
  async disorderedTables(range: TickRange, pageStarts: readonly bigint[]): Promise<number[]> {
    const values = this.#rangeValues(range, 0n)
    const disordered = this.#client.query<{ table_id: number }>(this.#sql.disordered, [
      ...values,
      pageStarts.map(String),
    ])
    const { rows } = await disordered.catch((error: unknown) => {
      if (!isUnreadable(error)) throw error
      return this.#client.query<{ table_id: number }>(this.#sql.nested, values) // any of them may be
    })
    return rows.map(row => row.table_id)
  }

  /** Cuts a tick if there is nothing to read, so that the position of an idle feed does not grow old. */
  async cutIdle(previous: Tick, term: string): Promise<Tick | null> {
    const { xmax, running } = snapshotBounds(previous.snapshot)
    const id = previous.id + 1n
    const { rows } = await this.#client.query<{ snapshot: string }>(this.#sql.cutIdle, [
      xmax,
      running,
      String(id),
      term,
    ])
    return rows[0] ? { id, snapshot: rows[0].snapshot } : null
  }

  /** Cuts a tick whatever there is to read: what was not read before is passed over. Throws when the term is over. */
  async cutEmpty(previous: Tick, term: string): Promise<Tick> {
    const id = previous.id + 1n
    const { rows } = await this.#client.query<{ snapshot: string }>(this.#sql.cutEmpty, [String(id), term])
    if (!rows[0]) throw new Error('Leadership lost: another node holds the lease.')
    return { id, snapshot: rows[0].snapshot }
  }

  /**
   * The changes of a tick after `afterSeq`, in order. The snapshot that a long tick is read with ends with the iteration.
   * Where a page cannot be read, because of one row mostly, its rows are read one by one.
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

  /** A page that ends early enough for its bytes; what cannot be read is a change with a defect. */
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

  /** By cursors of the server: the tick is sorted once, however many pages it has. One tells how long the next page is. */
  async *#longTick(range: TickRange, afterSeq: bigint): AsyncGenerator<LoggedChange[]> {
    await this.#client.query('begin read only')
    try {
      await this.#client.query(this.#sql.declareTick, this.#rangeValues(range, afterSeq))
      await this.#client.query(this.#sql.declareSizes, this.#rangeValues(range, afterSeq))
      const sizes: number[] = []
      while (true) {
        if (sizes.length < PAGE_ROWS) sizes.push(...(await this.#nextSizes()))
        if (sizes.length === 0) return
        const { rows } = await this.#client.query<ChangeRow>(this.#sql.fetchTick(takePage(sizes)))
        yield rows.map(row => toChange(range, row))
      }
    } finally {
      await this.#client.query('rollback')
    }
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

/** Settings of a reader's session: the statistics of a queue are always stale, so the planner is told what it cannot know. */
export const READER_SETTINGS = `
  set enable_seqscan = off;
  set jit = off;
  set plan_cache_mode = force_generic_plan;
  set synchronous_commit = on;
  set idle_in_transaction_session_timeout = 0;
  set statement_timeout = 0`

/**
 * Whether a value in the log is the cause: one that has no UTF-8 form (class 22), is too large (53200, class 54), or is
 * damaged (class XX).
 */
const isUnreadable = (error: unknown) => /^(22|54|XX|53200)/.test(sqlstateOf(error) ?? '')

const isFull = (rows: readonly ChangeRow[]) =>
  rows.length >= PAGE_ROWS || Number(rows.at(-1)?.running_bytes ?? 0) > PAGE_BYTES

/** Takes the sizes of one page off the list, and returns how many rows that are. */
function takePage(sizes: number[]): number {
  let [rows, bytes] = [0, 0]
  while (rows < Math.min(sizes.length, PAGE_ROWS) && bytes <= PAGE_BYTES) bytes += sizes[rows++] ?? 0
  sizes.splice(0, rows)
  return rows
}
