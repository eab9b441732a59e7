import { isWhole, type LoggedChange, type LoggedRow } from '../change-log/change.ts'
import type { Database } from '../db/connect.ts'
import { asError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Model, Models } from '../models/model.ts'
import type { RefetchEvent } from '../publish/mapping/record-event.ts'
import { type RelatedRows, type RelatedRowsNeed, relatedRowsNeeds } from '../publish/mapping/related-rows.ts'
import { TimeSlice } from '../publish/time-slice.ts'
import type { CapturedTables } from './captured-tables.ts'
import { DatabaseUnavailable, rethrowUnavailable } from './connection-errors.ts'
import type { HasReceivers } from './deferred-events.ts'
import { groupNeeds, type RelatedRowsGroup, readRelatedRows } from './related.ts'
import type { DecodedChange, RowDecoder } from './row-decoder.ts'
import type { UpcomingChange } from './stage.ts'

/** Number of destroyed records whose related rows are read together. */
const RECORDS = 500

export interface LookAheadParts {
  readonly db: Database
  readonly models: Models
  readonly tables: CapturedTables
  readonly decoder: RowDecoder
  readonly hasReceivers: HasReceivers
  readonly logger: Logger
}

/** The event that reaches all clients in any room of the referring records. */
export const everyoneOf = ({ collection }: RelatedRowsNeed): RefetchEvent => ({
  verb: 'refetch',
  identity: collection.collection,
  reason: 'bulk',
})

/**
 * Decodes the changes of a page and finds the related rows that mapping needs. For destroyed records, these are read
 * for several upcoming changes at once. An answer may be newer than its change, because a later write to such a row is
 * a change of its own.
 */
export class LookAhead {
  readonly #parts: LookAheadParts
  readonly #slice = new TimeSlice()
  #page: readonly LoggedChange[] = []
  readonly #decoded = new Map<LoggedChange, DecodedChange>()
  /** By the alias of the collection. */
  readonly #related = new Map<LoggedChange, Map<string, RelatedRows>>()

  constructor(parts: LookAheadParts) {
    this.#parts = parts
  }

  /** Starts a page. Its changes are then requested in the given order. */
  begin(page: readonly LoggedChange[]): void {
    this.#page = page
    this.#decoded.clear()
    this.#related.clear()
  }

  /** Throws as {@link RowDecoder.decode} does. */
  async decode(logged: LoggedRow, model: Model, readAt: number): Promise<DecodedChange> {
    const decoded = this.#decoded.get(logged) ?? (await this.#parts.decoder.decode(logged, model, readAt))
    this.#decoded.delete(logged)
    return decoded
  }

  /** Returns the related rows that the change needs, with `complete: false` if they could not be read. */
  async relatedRows(
    logged: LoggedRow,
    needs: readonly RelatedRowsNeed[],
    readAt: number,
  ): Promise<readonly RelatedRows[]> {
    const missing = needs.filter(need => !this.#answersFor(logged).has(need.collection.alias))
    if (missing.length > 0) await this.#lookUp(logged, missing, readAt)
    return needs.flatMap(need => this.#answersFor(logged).get(need.collection.alias) ?? [])
  }

  /** Whether any client may receive events about the related rows. */
  hasReceivers(need: RelatedRowsNeed): boolean {
    return this.#parts.hasReceivers(everyoneOf(need))
  }

  /** Decodable updates and deletions of the same table that follow in the page. */
  async upcoming({ tableId, cursor }: LoggedRow, readAt: number): Promise<readonly UpcomingChange[]> {
    const start = this.#page.findIndex(logged => logged.cursor.seq === cursor.seq) + 1
    const found: UpcomingChange[] = []
    this.#slice.begin()
    for (const logged of this.#page.slice(start)) {
      if (logged.tableId !== tableId || !isWhole(logged)) continue
      if (logged.operation !== 'update' && logged.operation !== 'delete') continue
      const decoded = await this.#decodeAhead(logged, readAt)
      if (decoded) found.push({ change: decoded.change, at: logged.at.getTime() })
    }
    return found
  }

  async #lookUp(logged: LoggedRow, needs: readonly RelatedRowsNeed[], readAt: number) {
    const needsOf = new Map<LoggedChange, readonly RelatedRowsNeed[]>([[logged, needs]])
    this.#slice.begin()
    for (const upcoming of this.#page.slice(this.#page.indexOf(logged) + 1)) {
      if (needsOf.size === RECORDS) break
      if (upcoming.operation !== 'delete' || !isWhole(upcoming)) continue
      const ahead = await this.#needsOf(upcoming, readAt)
      if (ahead.length > 0) needsOf.set(upcoming, ahead)
    }
    const answers = await this.#read([...needsOf.values()].flat())
    for (const [change, asked] of needsOf) {
      for (const need of asked) {
        const rows = answers.get(need)
        if (rows) this.#answersFor(change).set(need.collection.alias, rows)
      }
    }
  }

  #answersFor(change: LoggedChange): Map<string, RelatedRows> {
    const answers = this.#related.get(change) ?? new Map<string, RelatedRows>()
    this.#related.set(change, answers)
    return answers
  }

  /**
   * Needs without an answer and with receivers. Empty for a change that cannot be mapped, which is reported at its
   * turn.
   */
  async #needsOf(upcoming: LoggedRow, readAt: number): Promise<readonly RelatedRowsNeed[]> {
    const decoded = await this.#decodeAhead(upcoming, readAt)
    try {
      const needs = decoded ? relatedRowsNeeds(decoded.change, this.#parts.models) : []
      return needs.filter(need => !this.#answersFor(upcoming).has(need.collection.alias) && this.hasReceivers(need))
    } catch {
      return []
    }
  }

  /** Undefined for a change that cannot be decoded, which is reported at its turn. */
  async #decodeAhead(upcoming: LoggedRow, readAt: number): Promise<DecodedChange | undefined> {
    const known = this.#decoded.get(upcoming)
    const table = this.#parts.tables.known(upcoming.tableId)
    if (known || !table?.shape) return known
    if (this.#slice.isOver) await this.#slice.next()
    try {
      const decoded = await this.#parts.decoder.decode(upcoming, table.model, readAt)
      this.#decoded.set(upcoming, decoded)
      return decoded
    } catch (error) {
      if (error instanceof DatabaseUnavailable) throw error
      return undefined
    }
  }

  async #read(needs: readonly RelatedRowsNeed[]): Promise<ReadonlyMap<RelatedRowsNeed, RelatedRows>> {
    const answers = new Map<RelatedRowsNeed, RelatedRows>()
    for (const group of groupNeeds(needs)) {
      for (const answer of await this.#readGroup(group)) answers.set(answer.need, answer)
    }
    return answers
  }

  /** If the rows cannot be read, clients of their model refetch. The message about the record itself is still sent. */
  async #readGroup(group: RelatedRowsGroup): Promise<RelatedRows[]> {
    try {
      return await rethrowUnavailable(() => readRelatedRows(this.#parts.db, group))
    } catch (error) {
      if (error instanceof DatabaseUnavailable) throw error
      const fields = { model: group[0].model.identity, error: asError(error).message }
      this.#parts.logger.warn('Related records could not be read: their clients receive refetch', fields)
      return group.map(need => ({ need, members: [], complete: false }))
    }
  }
}
