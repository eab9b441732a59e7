import type { LoggedChange, LoggedRow } from '../change-log/change.ts'
import type { Database } from '../db/connect.ts'
import type { Logger } from '../logger.ts'
import type { Model, Models } from '../models/model.ts'
import type { ModelOptions } from '../models/selection.ts'
import type { MessageMeta, RecordEvent } from '../publish/mapping/record-event.ts'
import { leftBehindEvents, recordEvents } from '../publish/mapping/record-events.ts'
import { idOf } from '../publish/mapping/record-id.ts'
import { type RelatedRowsNeed, relatedRowsNeeds } from '../publish/mapping/related-rows.ts'
import type { RowChange } from '../publish/mapping/row-change.ts'
import { parseOrigin } from '../publish/origin.ts'
import { withAppRooms } from './app-rooms.ts'
import type { CapturedTables } from './captured-tables.ts'
import { rethrowUnavailable } from './connection-errors.ts'
import { DeepValues } from './deep-values.ts'
import { deferredEvents, type HasReceivers, type MappedEvent } from './deferred-events.ts'
import type { FeedEmitter } from './events.ts'
import { everyoneOf, LookAhead } from './look-ahead.ts'
import { RowDecoder, type RowDecoderParts } from './row-decoder.ts'
import type { Stage } from './stage.ts'

export interface ChangeMapperParts extends RowDecoderParts {
  readonly db: Database
  readonly models: Models
  /** Settings of individual models, by identity. */
  readonly options: ReadonlyMap<string, ModelOptions>
  /** In the order in which a change passes them. */
  readonly stages: readonly Stage[]
  readonly events: FeedEmitter
  readonly hasReceivers: HasReceivers
  readonly logger: Logger
}

/** The events to publish for one change. */
export interface MappedChange {
  readonly recordEvents: readonly MappedEvent[]
  /** Set if a record is missing from the events because its model could not serialize it. */
  readonly unshown?: Error
  /** Whether clients still reach the current state: only the previous record is missing. */
  readonly isComplete: boolean
  /** Reasons for attributes missing from the records, which are published without them. */
  readonly faults: readonly string[]
}

/** Decodes a logged change, maps it to record events, and passes them through the stages. */
export class ChangeMapper {
  readonly #parts: ChangeMapperParts
  readonly #lookAhead: LookAhead
  readonly #deepValues: DeepValues

  constructor(parts: ChangeMapperParts, tables: CapturedTables) {
    this.#parts = parts
    this.#deepValues = new DeepValues(parts.logger)
    const decoder = new RowDecoder(parts, tables, this.#deepValues)
    this.#lookAhead = new LookAhead({ ...parts, tables, decoder })
  }

  /** Starts a page. Its changes are then mapped in the given order. */
  begin(page: readonly LoggedChange[]): void {
    this.#lookAhead.begin(page)
    for (const stage of this.#parts.stages) stage.begin?.()
  }

  /** `readAt`: when the row was read, by `performance.now()`. Throws if the change cannot be mapped. */
  async map(
    logged: LoggedRow,
    model: Model,
    { meta, readAt, signal }: { readonly meta: MessageMeta; readonly readAt: number; readonly signal: AbortSignal },
  ): Promise<MappedChange> {
    const { models, events, stages } = this.#parts
    const { change, faults, unshown } = await this.#lookAhead.decode(logged, model, readAt)
    await events.announceChange(changeEvent(change, meta))
    const { tick } = logged.cursor
    const context = { change, tick, meta, signal, upcoming: () => this.#lookAhead.upcoming(logged, readAt) }
    const [related, deferred] = await this.#related(logged, change, readAt)
    let mapped: MappedEvent[] = [...withoutUnshown(recordEvents(change, { models, related }), change), ...deferred]
    for (const stage of stages) mapped = await rethrowUnavailable(async () => stage.revise(mapped, context))
    mapped = mapped.map(event => this.#sendable(event))
    mapped = withAppRooms(mapped, change, this.#parts.options)
    const isComplete = !change.new || change.record !== undefined
    return { recordEvents: mapped, faults, isComplete, ...(unshown && { unshown }) }
  }

  /**
   * Reads the related rows of a destroyed record. Also returns events about related rows that no client would receive.
   */
  async #related(logged: LoggedRow, change: RowChange, readAt: number) {
    const needs = relatedRowsNeeds(change, this.#parts.models)
    // Events about records of its own model may be sent to rooms of the app.
    const mustBeKnown = (need: RelatedRowsNeed) =>
      need.collection.collection === change.model.identity || this.#lookAhead.hasReceivers(need)
    const related = await this.#lookAhead.relatedRows(logged, needs.filter(mustBeKnown), readAt)
    const unknown = needs.filter(need => !related.some(rows => rows.need.collection === need.collection))
    const deferred = unknown.map(need =>
      deferredEvents(everyoneOf(need), async () => {
        const found = await this.#lookAhead.relatedRows(logged, [need], readAt)
        return found.flatMap(rows => leftBehindEvents(rows, this.#parts.models))
      }),
    )
    return [related, deferred] as const
  }

  #sendable(event: MappedEvent): MappedEvent {
    if (event.verb !== 'deferred') return this.#deepValues.withoutIn(event)
    const events = async () =>
      (await rethrowUnavailable(() => event.events())).map(each => this.#deepValues.withoutIn(each))
    return { ...event, events }
  }
}

/** Without a serialized record, keeps only messages that need ids: memberships and `destroyed`. */
function withoutUnshown(recordEvents: RecordEvent[], { model, new: row, record }: RowChange): RecordEvent[] {
  if (!row || record) return recordEvents
  const id = String(idOf(model, row))
  const showsRecord = (event: RecordEvent) =>
    event.identity === model.identity &&
    (event.verb === 'created' || event.verb === 'updated') &&
    String(event.id) === id
  return recordEvents.flatMap(event => {
    if (!showsRecord(event)) return event
    return event.verb === 'created' ? event.reverse : []
  })
}

function changeEvent({ model, operation, previous, record, changed }: RowChange, meta: MessageMeta) {
  return {
    identity: model.identity,
    operation,
    changed: [...changed],
    meta,
    ...originOf(meta),
    ...(previous && { previous }),
    ...(record && { record }),
  }
}

function originOf({ origin }: MessageMeta): { readonly origin?: string } {
  const request = parseOrigin(origin)
  const named = request ? request.socketId : origin
  return named === undefined ? {} : { origin: named }
}
