import type { LoggedRow } from '../change-log/change.ts'
import type { TypeParsers } from '../db/connect.ts'
import type { TableShape } from '../db/table-shape.ts'
import { type DecodedRow, decodeRow, fitsShape } from '../models/decode.ts'
import type { Model, ModelRecord } from '../models/model.ts'
import { cannotShow, toPublic } from '../models/public-record.ts'
import { changedAttributes, parseRow, type RawRow } from '../models/row-json.ts'
import type { RowChange } from '../publish/mapping/row-change.ts'
import type { CapturedTables } from './captured-tables.ts'
import { DatabaseUnavailable, rethrowUnavailable } from './connection-errors.ts'
import type { DeepValues } from './deep-values.ts'

export interface RowDecoderParts {
  /** The type parsers of the app's driver for a datastore. */
  parsersOf(datastore: string): TypeParsers
}

export interface DecodedChange {
  readonly change: RowChange
  /** Set if the model could not serialize `previous` or `record`. */
  readonly unshown?: Error
  /** Reasons for attributes missing from the records, which are published without them. */
  readonly faults: readonly string[]
}

/** Decodes a logged change according to its model: the records before and after, and their differences. */
export class RowDecoder {
  readonly #parts: RowDecoderParts
  readonly #tables: CapturedTables
  readonly #deepValues: DeepValues

  constructor(parts: RowDecoderParts, tables: CapturedTables, deepValues: DeepValues) {
    this.#parts = parts
    this.#tables = tables
    this.#deepValues = deepValues
  }

  /**
   * Decodes a change. A column's type may have changed since the catalog was read, so a row that fails to decode is
   * retried with a catalog state read after `readAt`, when the row was read. Throws `E_DECODE`.
   */
  async decode(logged: LoggedRow, model: Model, readAt: number): Promise<DecodedChange> {
    const first = await this.#decoded(logged, model, readAt).catch((error: unknown) => {
      if (error instanceof DatabaseUnavailable) throw error
      return undefined
    })
    if (first && !first.unshown && first.faults.length === 0) return first
    await rethrowUnavailable(() => this.#tables.refreshSince(readAt))
    return await this.#decoded(logged, model, readAt)
  }

  async #decoded(logged: LoggedRow, model: Model, readAt: number): Promise<DecodedChange> {
    const before = logged.old === null ? undefined : parseRow(logged.old, model)
    const after = logged.new === null ? undefined : parseRow(logged.new, model)
    const shape = await this.#shapeFor(logged.tableId, readAt, before, after)
    const decoded = [before, after].map(each => each && this.#record(model, shape, each))
    const [old, row] = decoded.map(each => each?.record)
    const faults = [...new Set(decoded.flatMap(each => each?.faults ?? []))]
    const [previous, record] = [old && this.#shown(model, old), row && this.#shown(model, row)]
    const unshown = [previous, record].find(shown => shown instanceof Error)
    const change = {
      model,
      operation: logged.operation,
      ...(old && { old }),
      ...(previous && !(previous instanceof Error) && { previous }),
      ...(row && { new: row }),
      ...(record && !(record instanceof Error) && { record }),
      changed: before && after ? changedAttributes(model, before, after) : new Set<string>(),
    }
    return unshown ? { change, faults, unshown } : { change, faults }
  }

  /** Unknown columns mean that the catalog must be read again. */
  async #shapeFor(tableId: number, readAt: number, ...rows: (RawRow | undefined)[]): Promise<TableShape> {
    const known = await this.#tables.find(tableId, readAt)
    const fits = rows.every(row => !row || !known?.shape || fitsShape(known.shape, row))
    if (!fits) await rethrowUnavailable(() => this.#tables.refreshSince(readAt))
    const table = fits ? known : await this.#tables.find(tableId, readAt)
    if (!table?.shape) throw new Error('The table has been dropped.')
    return table.shape
  }

  #record(model: Model, shape: TableShape, row: RawRow): DecodedRow {
    return decodeRow({ model, shape, parsers: this.#parts.parsersOf(model.datastore) }, row)
  }

  /** The record as clients see it, or an error if the model's `customToJSON` fails. */
  #shown(model: Model, record: ModelRecord): ModelRecord | Error {
    try {
      return toPublic(model, this.#deepValues.without(model.identity, record))
    } catch (error) {
      return cannotShow(model, error)
    }
  }
}
