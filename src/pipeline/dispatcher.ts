import { isWhole, type LoggedChange, type LoggedRow } from '../change-log/change.ts'
import { formatCursor } from '../change-log/cursor.ts'
import type { Position } from '../change-log/position.ts'
import { reorderByRowImages } from '../change-log/reorder.ts'
import { asError, ChangefeedError } from '../errors.ts'
import type { Model } from '../models/model.ts'
import { parseRow } from '../models/row-json.ts'
import type { MessageMeta, RecordEvent, RefetchEvent } from '../publish/mapping/record-event.ts'
import { affectedModels } from '../publish/mapping/record-events.ts'
import { CapturedTables, type CapturedTablesParts } from './captured-tables.ts'
import { ChangeMapper, type ChangeMapperParts } from './change-mapper.ts'
import { DatabaseUnavailable } from './connection-errors.ts'
import type { MappedEvent } from './deferred-events.ts'
import { type DispatchContext, LeadershipLost } from './dispatch-context.ts'
import { EventPublisher, type EventPublisherParts } from './event-publisher.ts'
import type { Failures } from './failures.ts'
import type { Pauses } from './pauses.ts'
import type { MemberMemory } from './rules/member-memory.ts'

export interface DispatcherParts extends ChangeMapperParts, EventPublisherParts {
  readonly pauses: Pauses
  readonly failures: Failures
  /** What the stages remember from one page to the next. */
  readonly memory: MemberMemory
  /** Called with each new state of capture before changes are published by it. */
  readonly onCaptures?: CapturedTablesParts['onCaptures']
}

/** Decodes, maps and publishes logged changes, one at a time. */
export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #tables: CapturedTables
  readonly #mapper: ChangeMapper
  readonly #publisher: EventPublisher
  /** Models with a change in the current page that could not be fully published. Their clients must refetch. */
  readonly #incomplete = new Set<string>()
  #last: MessageMeta | null = null
  /** When the current page was read. A catalog state read later applies to its changes. */
  #pageReadAt = 0

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    this.#tables = new CapturedTables({ db: parts.db, models: parts.models, onCaptures: parts.onCaptures })
    this.#mapper = new ChangeMapper(parts, this.#tables)
    this.#publisher = new EventPublisher(parts)
  }

  /** Call before changes are delivered that do not follow the last ones, such as a range that is read again. */
  restart(): void {
    this.#parts.memory.clear()
  }

  /** Detects altered columns early. Call periodically. Returns whether {@link declareAltered} has something to tell. */
  async refreshTables(): Promise<boolean> {
    await this.#tables.refreshIfChanged()
    return this.#tables.areReshaped
  }

  /** Detects an outage of the publisher's backend while nothing is published. Call periodically. */
  async checkPublisher(): Promise<void> {
    await this.#publisher.check()
  }

  /** `at` and cursor of the last change that was published or skipped. */
  get last(): MessageMeta | null {
    return this.#last
  }

  /**
   * Publishes a page in order and reports each completed seq. A change that cannot be published is reported, and
   * clients of its model receive `refetch`. Changes of paused models are skipped. Rejects only for reasons that lie in
   * the context.
   */
  async deliver(page: readonly LoggedChange[], done: (seq: bigint) => void, context: DispatchContext): Promise<void> {
    this.#pageReadAt = performance.now()
    this.#incomplete.clear()
    this.#publisher.begin()
    let furthest = 0n
    let finished = 0n
    const changes = await this.#inOrder(page)
    this.#mapper.begin(changes)
    for (const [index, change] of changes.entries()) {
      if (context.signal.aborted && furthest === finished) break
      await this.#publisher.shareEventLoop()
      await this.#deliverChange(change, context)
      if (change.cursor.seq > furthest) furthest = change.cursor.seq
      // After reordering, a seq is complete when all changes before it are. Publishing may stop only there.
      if (furthest === page[index]?.cursor.seq) finished = furthest
      // Skipped changes are complete only after their clients were notified.
      if (finished === furthest && this.#incomplete.size === 0) done(finished)
    }
    for (const identity of this.#affectedBy(this.#tables.takeReshaped())) this.#incomplete.add(identity)
    if (this.#incomplete.size > 0) await this.#completePage(context).then(() => done(finished))
    await this.#publisher.drained()
    context.signal.throwIfAborted()
  }

  async #inOrder(page: readonly LoggedChange[]): Promise<readonly LoggedChange[]> {
    for (const { tableId } of page) await this.#tables.find(tableId, this.#pageReadAt)
    const { changes, unresolved } = reorderByRowImages(page, change => this.#recordOf(change))
    for (const tableId of unresolved) this.#leaveIncomplete(this.#tables.known(tableId)?.model)
    return changes
  }

  #leaveIncomplete(model: Model | undefined) {
    const affected = model ? affectedModels(model, this.#parts.models) : []
    for (const identity of affected) this.#incomplete.add(identity)
  }

  /** The text of the primary key; null if it cannot be determined. */
  #recordOf({ tableId, new: after, old: before, defect }: LoggedChange): string | null {
    const model = this.#tables.known(tableId)?.model
    const row = after ?? before
    const column = model?.attributes.get(model.primaryKey)?.column
    if (!model || row === null || defect !== null || column === undefined) return null
    try {
      return parseRow(row, model).get(column) ?? null
    } catch {
      return null // delivering the change reports the error
    }
  }

  /** Notifies clients of all or some models, and of the models that these affect, that changes are missing. */
  async declareGap(
    reason: RefetchEvent['reason'],
    { epoch, tick }: Position,
    context: DispatchContext,
    only: readonly string[] = [...this.#parts.models.keys()],
  ): Promise<void> {
    const meta = { cursor: formatCursor({ epoch, tick: tick.id, seq: 0n }), at: Date.now() }
    const identities = this.#affectedBy(only)
    const fields = { reason, cursor: meta.cursor, identities }
    this.#parts.logger.warn('Changes are missing: clients receive refetch', fields)
    await this.#refetch(identities, reason, meta, context)
  }

  /** Sends `refetch` for models whose columns were altered: Postgres may have rewritten all rows without firing a trigger. */
  async declareAltered(position: Position, context: DispatchContext): Promise<void> {
    const identities = this.#tables.takeReshaped()
    if (identities.length > 0) await this.declareGap('gap', position, context, identities)
  }

  #affectedBy(identities: readonly string[]): string[] {
    const { models } = this.#parts
    const missing = identities.flatMap(identity => models.get(identity) ?? [])
    return [...new Set(missing.flatMap(model => affectedModels(model, models)))]
  }

  /**
   * Sends `refetch` where the pages of a tick, taken one by one, could not restore the order; see {@link TickReader}.
   */
  async completeTick(disordered: readonly number[], position: Position, context: DispatchContext): Promise<void> {
    const tables = await Promise.all(disordered.map(id => this.#tables.find(id, this.#pageReadAt)))
    const identities = [
      ...tables.flatMap(table => table?.model.identity ?? []),
      ...this.#parts.stages.flatMap(stage => stage.incomplete?.() ?? []),
    ]
    if (identities.length > 0) await this.declareGap('bulk', position, context, identities)
  }

  async #deliverChange(change: LoggedChange, context: DispatchContext) {
    const table = await this.#tables.find(change.tableId, this.#pageReadAt)
    const meta = metaOf(change)
    if (table && this.#parts.pauses.has(table.model.identity)) this.#withhold(table.model, meta)
    // A table that no longer belongs to its model needs no message: the capture watch has logged a gap, which follows.
    else if (table && (table.shape || change.operation === 'gap'))
      await this.#deliverAs(table.model, change, meta, context)
    this.#last = meta
  }

  async #deliverAs(model: Model, change: LoggedChange, meta: MessageMeta, context: DispatchContext) {
    if (!isWhole(change)) return await this.#deliverDefect(model, change, meta, context)
    for (const mapped of await this.#eventsOrNone(change, model, meta, context)) {
      for (const event of await this.#eventsNow(mapped, model, meta, context)) {
        await this.#attempt(
          event.identity,
          meta,
          context,
          () => this.#publisher.publish(event, meta, context),
          announcedBy(event),
        )
      }
    }
  }

  /** Looks up deferred events only if a receiver has subscribed in the meantime. */
  async #eventsNow(
    mapped: MappedEvent,
    model: Model,
    meta: MessageMeta,
    context: DispatchContext,
  ): Promise<readonly RecordEvent[]> {
    if (mapped.verb !== 'deferred') return [mapped]
    if (!this.#parts.hasReceivers(mapped.receivers)) {
      this.#parts.publisher.skipped?.(mapped.receivers, meta)
      return []
    }
    const affected = affectedModels(model, this.#parts.models)
    return (await this.#attempt(model.identity, meta, context, () => mapped.events(), affected)) ?? []
  }

  /** Handles a row that could not be logged, or capture that was off: the table's content is unknown. */
  async #deliverDefect(model: Model, { operation, defect }: LoggedChange, meta: MessageMeta, context: DispatchContext) {
    const { cursor } = meta
    if (operation === 'gap') this.#parts.logger.error(UNCAPTURED, { model: model.identity, cursor, defect })
    else this.#parts.failures.noteDefect(model.identity, cursor, defect)
    await this.#refetch(affectedModels(model, this.#parts.models), 'gap', meta, context)
  }

  #withhold({ identity }: Model, { cursor }: MessageMeta) {
    this.#parts.pauses.count(identity)
    this.#parts.events.announce('withheld', { identity, cursor })
  }

  async #eventsOrNone(change: LoggedRow, model: Model, meta: MessageMeta, context: DispatchContext) {
    const affected = affectedModels(model, this.#parts.models)
    const mapping = { meta, readAt: this.#pageReadAt, signal: context.signal }
    const mapped = await this.#attempt(
      model.identity,
      meta,
      context,
      () => this.#mapper.map(change, model, mapping),
      affected,
    )
    for (const fault of mapped?.faults ?? []) {
      this.#parts.failures.note(model.identity, meta.cursor, new ChangefeedError('E_DECODE', fault))
    }
    if (mapped?.unshown && mapped.isComplete) this.#parts.failures.note(model.identity, meta.cursor, mapped.unshown)
    else if (mapped?.unshown) this.#skip(model.identity, meta, mapped.unshown, [model.identity])
    return mapped?.recordEvents ?? []
  }

  /**
   * Runs an action. Errors that the change did not cause end the dispatch, and the change is retried. For others, the
   * models in `affected` become incomplete.
   */
  async #attempt<T>(
    identity: string,
    meta: MessageMeta,
    { signal }: DispatchContext,
    action: () => Promise<T>,
    affected: readonly string[],
  ): Promise<T | undefined> {
    try {
      return await action()
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof DatabaseUnavailable || error instanceof LeadershipLost) throw error.cause
      this.#skip(identity, meta, asError(error), affected)
      return undefined
    }
  }

  #skip(identity: string, { cursor }: MessageMeta, error: Error, affected: readonly string[]) {
    this.#parts.failures.note(identity, cursor, error)
    this.#parts.events.announce('skipped', { identity, cursor, error })
    for (const each of affected) this.#incomplete.add(each)
  }

  /** Sends `refetch` after the last message of the page, so that no client ends on an older state. */
  async #completePage(context: DispatchContext) {
    await this.#refetch([...this.#incomplete], 'gap', this.#last ?? { cursor: '', at: Date.now() }, context)
  }

  /** If the publisher rejects a refetch, there is no substitute. */
  async #refetch(
    identities: readonly string[],
    reason: RefetchEvent['reason'],
    { cursor, at }: MessageMeta,
    context: DispatchContext,
  ) {
    const meta = { cursor, at }
    this.#parts.events.announce('gap', { reason, identities })
    for (const identity of identities) {
      const event = { verb: 'refetch', identity, reason } as const
      await this.#attempt(identity, meta, context, () => this.#publisher.publish(event, meta, context), [])
    }
  }
}

const UNCAPTURED = 'Changes of a model may be missing: clients receive refetch'

/** Models whose messages are lost with an event: its own, and those that it announces a new record to. */
const announcedBy = (event: RecordEvent): string[] =>
  event.verb === 'created' ? [event.identity, ...event.reverse.map(({ identity }) => identity)] : [event.identity]

function metaOf({ cursor, xid, at, origin, annotations }: LoggedChange): MessageMeta {
  return {
    cursor: formatCursor({ ...cursor, xid: BigInt(xid) }),
    at: at.getTime(),
    ...(origin !== null && { origin }),
    ...(annotations !== null && { annotations }),
  }
}
