import { setTimeout as pause } from 'node:timers/promises'
import { chained } from '../change-log/chain.ts'
import type { LoggedChange } from '../change-log/change.ts'
import { formatCursor } from '../change-log/cursor.ts'
import type { Position } from '../change-log/position.ts'
import type { Database } from '../db/connect.ts'
import { asError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Model, Models } from '../ontology/model.ts'
import { parseRow } from '../ontology/row-json.ts'
import type { MessageMeta, PublishCall, RefetchCall } from '../publish/call.ts'
import { publishCalls, refetchCalls } from '../publish/calls.ts'
import type { Publisher } from '../publish/publisher.ts'
import { type RelatedRows, type RelatedRowsNeed, relatedRowsNeeds } from '../publish/related-rows.ts'
import type { RowChange } from '../publish/row-change.ts'
import { CapturedTables } from './captured-tables.ts'
import type { FeedEmitter } from './events.ts'
import type { Pauses } from './pauses.ts'
import { reachably, Unreachable } from './reach.ts'
import { readRelatedRows } from './related.ts'
import { RowDecoder, type RowDecoderParts } from './row-decoder.ts'
import type { Stage } from './stage.ts'

const RETRY_FIRST_MS = 100
const RETRY_LAST_MS = 5_000

export interface DeliveryParts extends RowDecoderParts {
  readonly db: Database
  readonly models: Models
  /** In the order in which each change passes them. */
  readonly stages: readonly Stage[]
  readonly publisher: Publisher
  readonly events: FeedEmitter
  readonly logger: Logger
  readonly pauses: Pauses
}

/** The circumstances under which a change is published. */
export interface Turn {
  /** Ends it after the present call. */
  readonly signal: AbortSignal
  /** Called before each call is published; throws when this node may not publish any more. */
  check(): void
}

/** Takes logged changes to the publisher: decode, map, call, one after the other. */
export class Delivery {
  readonly #parts: DeliveryParts
  readonly #tables: CapturedTables
  readonly #decoder: RowDecoder
  /** Tables whose clients know that they are gone. */
  readonly #toldDropped = new Set<number>()
  #last: MessageMeta | null = null
  /** When the present page had been read: what the catalog said after that is true of its changes. */
  #pageReadAt = 0

  constructor(parts: DeliveryParts) {
    this.#parts = parts
    this.#tables = new CapturedTables(parts.db, parts.models)
    this.#decoder = new RowDecoder(parts, this.#tables)
  }

  /** Learns of altered columns before they are met; to be called now and then. */
  async lookAround(): Promise<void> {
    await this.#tables.refresh()
  }

  /** `at` and cursor of the last change that was published or skipped. */
  get last(): MessageMeta | null {
    return this.#last
  }

  /**
   * Publishes a page in order and reports each seq that is done. A change that cannot be published is reported and
   * skipped, one of a paused model is passed over. Rejects only with what the turn says.
   */
  async deliver(page: readonly LoggedChange[], done: (seq: bigint) => void, turn: Turn): Promise<void> {
    this.#pageReadAt = performance.now()
    const ordered = await this.#inOrder(page)
    let furthest = 0n
    for (const [index, change] of ordered.entries()) {
      const before = page[index - 1]?.cursor.seq ?? 0n
      if (before >= furthest) turn.signal.throwIfAborted()
      await this.#deliverChange(change, turn)
      if (change.cursor.seq > furthest) furthest = change.cursor.seq
      // Where changes have swapped places, a seq is done when all before it are: only there the way may end.
      if (furthest === page[index]?.cursor.seq) done(furthest)
    }
  }

  async #inOrder(page: readonly LoggedChange[]): Promise<readonly LoggedChange[]> {
    for (const { tableId } of page) await this.#tables.find(tableId)
    return chained(page, change => this.#recordOf(change))
  }

  /** The primary key as JSON text; null where there is none to be had. */
  #recordOf({ tableId, new: after, old: before, defect }: LoggedChange): string | null {
    const model = this.#tables.known(tableId)?.model
    const row = after ?? before
    const column = model?.attributes.get(model.primaryKey)?.column
    if (!model || row === null || defect !== null || column === undefined) return null
    try {
      return parseRow(row, model).get(column) ?? null
    } catch {
      return null // delivering it will say what is wrong
    }
  }

  /** Tells the clients that changes are missing: those of every model, or of some. */
  async declareGap(
    reason: RefetchCall['reason'],
    { epoch, tick }: Position,
    turn: Turn,
    only: readonly string[] = [...this.#parts.models.keys()],
  ): Promise<void> {
    const { models, events, logger } = this.#parts
    const meta = { cursor: formatCursor({ epoch, tick: tick.id, seq: 0n }), at: Date.now() }
    const identities = only.filter(identity => models.get(identity)?.junction === undefined && models.has(identity))
    logger.warn('Changes are missing: clients are told to read again', { reason, cursor: meta.cursor, identities })
    events.emit('gap', { reason, identities })
    for (const identity of identities) await this.#publishOrSkip({ fn: 'refetch', identity, reason }, meta, turn)
  }

  /** Tells the clients of these tables' models to read again: see {@link Track}. */
  async declareDisorder(tableIds: readonly number[], position: Position, turn: Turn): Promise<void> {
    const tables = await Promise.all(tableIds.map(id => this.#tables.find(id)))
    const identities = tables.flatMap(table => table?.model.identity ?? [])
    await this.declareGap('bulk', position, turn, identities)
  }

  async #publishOrSkip(call: PublishCall, meta: MessageMeta, turn: Turn) {
    try {
      await this.#publishSurely(call, meta, turn)
    } catch (error) {
      this.#failed(call.identity, meta, turn, error)
    }
  }

  async #deliverChange(change: LoggedChange, turn: Turn) {
    const table = await this.#tables.find(change.tableId)
    const meta = metaOf(change)
    if (table && this.#parts.pauses.has(table.model.identity)) this.#withhold(table.model, meta)
    else if (table?.shape) await this.#deliverAs(table.model, change, meta, turn)
    else if (table) await this.#tellDropped(table.model, change.tableId, meta, turn)
    this.#last = meta
  }

  /** What was logged of a table that is gone cannot be read any more: one word to its clients stands for all of it. */
  async #tellDropped(model: Model, tableId: number, meta: MessageMeta, turn: Turn) {
    if (this.#toldDropped.has(tableId)) return
    this.#parts.logger.warn('The table of a model was dropped: clients are told to read again', {
      model: model.identity,
      cursor: meta.cursor,
    })
    this.#parts.events.emit('gap', { reason: 'gap', identities: [model.identity] })
    for (const call of refetchCalls(model, this.#parts.models, 'gap')) await this.#publishOrSkip(call, meta, turn)
    this.#toldDropped.add(tableId)
  }

  async #deliverAs(model: Model, change: LoggedChange, meta: MessageMeta, turn: Turn) {
    for (const call of await this.#callsOrNone(change, model, meta, turn)) await this.#publishOrSkip(call, meta, turn)
  }

  /** What is no fault of the change ends the turn, and the change comes again; otherwise it is skipped. */
  #failed(identity: string, meta: MessageMeta, { signal }: Turn, error: unknown) {
    signal.throwIfAborted()
    if (error instanceof Unreachable || error instanceof Overtaken) throw error.cause
    this.#skip(identity, meta, asError(error))
  }

  #withhold({ identity }: Model, { cursor }: MessageMeta) {
    this.#parts.pauses.count(identity)
    this.#parts.events.emit('withheld', { identity, cursor })
  }

  async #callsOrNone(change: LoggedChange, model: Model, meta: MessageMeta, turn: Turn): Promise<PublishCall[]> {
    try {
      return await this.#callsFor(change, model, meta, turn)
    } catch (error) {
      this.#failed(model.identity, meta, turn, error)
      return []
    }
  }

  async #callsFor(logged: LoggedChange, model: Model, meta: MessageMeta, { signal }: Turn): Promise<PublishCall[]> {
    const { models, events } = this.#parts
    if (logged.defect !== null) return this.#defectCalls(logged, model, meta)
    const change = await this.#decoder.decode(logged, model, this.#pageReadAt)
    events.emit('change', changeEvent(change, meta))
    const related: RelatedRows[] = []
    for (const need of relatedRowsNeeds(change, models)) related.push(await this.#relatedRows(need, meta))
    let calls = publishCalls(change, { models, related })
    for (const stage of this.#parts.stages)
      calls = await reachably(async () => stage.revise(calls, { change, meta, signal }))
    return calls
  }

  /** Where they cannot be read, their model is told to read again: the message about the record itself is worth more. */
  async #relatedRows(need: RelatedRowsNeed, { cursor }: MessageMeta): Promise<RelatedRows> {
    try {
      return await reachably(() => readRelatedRows(this.#parts.db, need))
    } catch (error) {
      if (error instanceof Unreachable) throw error
      const fields = { model: need.model.identity, cursor, error: asError(error).message }
      this.#parts.logger.warn('Related records could not be read: their clients are told to read again', fields)
      return { need, members: [], complete: false }
    }
  }

  /** The row could not be logged, so nobody knows what it says now: a declared gap of one model. */
  #defectCalls({ defect }: LoggedChange, model: Model, { cursor }: MessageMeta) {
    this.#parts.logger.error('A change was logged without its row', { model: model.identity, cursor, defect })
    this.#parts.events.emit('gap', { reason: 'gap', identities: [model.identity] })
    return refetchCalls(model, this.#parts.models, 'gap')
  }

  /** While the publisher's backend is down nothing is lost: the same call is made again, until it comes back. */
  async #publishSurely(call: PublishCall, meta: MessageMeta, { check, signal }: Turn) {
    for (let waitMs = RETRY_FIRST_MS; ; waitMs = Math.min(waitMs * 2, RETRY_LAST_MS)) {
      overtaken(check)
      try {
        return await this.#publish(call, meta)
      } catch (error) {
        if ((error as { retryable?: unknown } | null)?.retryable !== true) throw error
        this.#parts.logger.warn('The publisher is not ready; the feed waits', { error: (error as Error).message })
        this.#parts.events.report(error as Error)
        await pause(waitMs, undefined, { signal })
      }
    }
  }

  async #publish(call: PublishCall, meta: MessageMeta) {
    const started = performance.now()
    const result = this.#parts.publisher.publish(call, meta)
    if (result) await result
    this.#parts.events.emit('published', { call, meta, tookMs: performance.now() - started })
  }

  #skip(identity: string, { cursor }: MessageMeta, error: Error) {
    this.#parts.logger.error('A change could not be published and was skipped', {
      model: identity,
      cursor,
      error: error.message,
    })
    this.#parts.events.emit('skipped', { identity, cursor, error })
  }
}

/** Somebody else has taken over: the change is his. */
class Overtaken extends Error {}

function overtaken(check: () => void) {
  try {
    check()
  } catch (error) {
    throw new Overtaken('This node may no longer publish.', { cause: error })
  }
}

function metaOf({ cursor, at, origin, annotations }: LoggedChange): MessageMeta {
  return {
    cursor: formatCursor(cursor),
    at: at.getTime(),
    ...(origin !== null && { origin }),
    ...(annotations !== null && { annotations }),
  }
}

function changeEvent({ model, operation, previous, record, changed }: RowChange, meta: MessageMeta) {
  return {
    identity: model.identity,
    operation,
    changed: [...changed],
    meta,
    ...(previous && { previous }),
    ...(record && { record }),
  }
}
