import { readCatalogFingerprint } from '../capture/catalog-fingerprint.ts'
import { type ModelCapture, readModelCaptures } from '../capture/model-capture.ts'
import { readTableShapes } from '../db/catalog.ts'
import type { Database } from '../db/connect.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { Model, Models } from '../models/model.ts'

/** A captured table and the model whose changes its triggers log. */
export interface CapturedTable {
  /** Undefined if the model's name no longer refers to this table: it was dropped, renamed or swapped. */
  readonly shape: TableShape | undefined
  readonly model: Model
}

export interface CapturedTablesParts {
  readonly db: Database
  readonly models: Models
  /** Called with each new state of capture before it is used. */
  readonly onCaptures?: ((captures: readonly ModelCapture[]) => Promise<void>) | undefined
}

/** Maps the table id of a logged change to its model and to the table's shape in the catalog. */
export class CapturedTables {
  readonly #parts: CapturedTablesParts
  #captures: readonly ModelCapture[] = []
  #fingerprint: string | null = null
  #tables: ReadonlyMap<number, CapturedTable> = new Map()
  #readAt = Number.NEGATIVE_INFINITY
  #reading: Promise<unknown> = Promise.resolve()
  readonly #reshaped = new Set<string>()

  constructor(parts: CapturedTablesParts) {
    this.#parts = parts
  }

  /**
   * Undefined for a table without a model. An unknown table is looked up again unless that was done after `readAt`, the
   * time when its change was read, since it may have become a model's table.
   */
  async find(tableId: number, readAt: number): Promise<CapturedTable | undefined> {
    if (!this.known(tableId)?.shape) await this.refreshSince(readAt)
    return this.known(tableId)
  }

  known(tableId: number): CapturedTable | undefined {
    return this.#tables.get(tableId)
  }

  /** Whether {@link takeReshaped} would return any. */
  get areReshaped(): boolean {
    return this.#reshaped.size > 0
  }

  /**
   * Identities of models with an attribute column added, dropped or altered since the last call. Their changes were
   * published without it meanwhile.
   */
  takeReshaped(): string[] {
    const identities = [...this.#reshaped]
    this.#reshaped.clear()
    return identities
  }

  /** Reads the catalog again, unless it was read after that time (of `performance.now()`). */
  async refreshSince(time: number): Promise<void> {
    if (this.#readAt < time) await this.refresh()
  }

  async refresh(): Promise<void> {
    await this.#afterOthers(() => this.#read())
  }

  /** Reads the catalog again if it has changed. Finding that out costs less than {@link refresh}. */
  async refreshIfChanged(): Promise<void> {
    await this.#afterOthers(() => this.#readIfChanged())
  }

  /** Runs one refresh at a time, so that an older state never replaces a newer one. */
  async #afterOthers(refresh: () => Promise<void>) {
    const read = this.#reading.then(refresh)
    this.#reading = read.catch(() => {})
    await read
  }

  /** The fingerprint is read before the catalog, so a change between the two is found at the next call. */
  async #readIfChanged() {
    const { db, models, onCaptures } = this.#parts
    const startedAt = performance.now()
    const fingerprint = await readCatalogFingerprint(db.pool, db.schema, models)
    if (fingerprint !== this.#fingerprint) {
      await this.#read()
      this.#fingerprint = fingerprint
      return
    }
    await onCaptures?.(this.#captures) // a node that has begun to publish records what it found before
    this.#readAt = startedAt
  }

  async #read() {
    const { db, models, onCaptures } = this.#parts
    const startedAt = performance.now()
    const captures = await readModelCaptures(db.pool, db.schema, models)
    const tables = captures.flatMap(({ table }) => table ?? [])
    const shapes = await readTableShapes(db.pool, tables)
    await onCaptures?.(captures)
    const shapeOf = new Map(tables.map(({ id }, index) => [id, shapes[index]]))
    const entries = captures.flatMap(({ identity, captured }) => {
      const model = models.get(identity)
      return model ? captured.map(id => [id, { model, shape: shapeOf.get(id) }] as const) : []
    })
    for (const [id, table] of entries) {
      if (isReshaped(this.#tables.get(id), table)) this.#reshaped.add(table.model.identity)
    }
    this.#captures = captures
    this.#tables = new Map(entries)
    this.#readAt = startedAt
  }
}

const isReshaped = (before: CapturedTable | undefined, { model, shape }: CapturedTable) =>
  before?.shape !== undefined && shape !== undefined && columnsOf(model, before.shape) !== columnsOf(model, shape)

const columnsOf = (model: Model, shape: TableShape) =>
  JSON.stringify([...model.attributes.values()].map(({ column }) => shape.columns.get(column)?.type.oid ?? null))
