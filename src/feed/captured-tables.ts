import { sql } from 'kysely'
import { readTableShapes } from '../db/catalog.ts'
import type { Database } from '../db/connect.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { Model, Models } from '../ontology/model.ts'

/** A captured table and the model whose changes its triggers log. */
export interface CapturedTable {
  readonly shape: TableShape
  readonly model: Model
}

/** Rows that fit no shape, as those from before a column was dropped, cause no more than this many looks at the catalog. */
const REFRESH_MS = 1_000

/** Finds the model of a logged change by its table id, with what the catalog says of the table. */
export class CapturedTables {
  readonly #db: Database
  readonly #models: Models
  #tables: Map<number, CapturedTable | null> = new Map()
  #refreshedAt = Number.NEGATIVE_INFINITY

  constructor(db: Database, models: Models) {
    this.#db = db
    this.#models = models
  }

  /** Undefined for a table that none of our models belongs to, or that is dropped. */
  async find(tableId: number): Promise<CapturedTable | undefined> {
    if (!this.#tables.has(tableId)) await this.refresh()
    // An id is never given twice: one that is not there now will not come.
    if (!this.#tables.has(tableId)) this.#tables.set(tableId, null)
    return this.known(tableId)
  }

  known(tableId: number): CapturedTable | undefined {
    return this.#tables.get(tableId) ?? undefined
  }

  /** Looks at the catalog again, unless it did so a moment ago. */
  async refreshStale(): Promise<void> {
    if (performance.now() - this.#refreshedAt > REFRESH_MS) await this.refresh()
  }

  async refresh(): Promise<void> {
    this.#refreshedAt = performance.now()
    const captured = await this.#db.kysely
      .selectFrom('captured_table')
      .select(['id', 'identity', sql<string>`relation::oid`.as('oid')])
      .execute()
    const shapes = await readTableShapes(
      this.#db.pool,
      captured.map(({ oid }) => ({ oid: Number(oid) })),
    )
    this.#tables = new Map(
      captured.flatMap(({ id, identity }, index) => {
        const shape = shapes[index]
        const model = this.#models.get(identity)
        return [[id, shape && model ? { shape, model } : null] as const]
      }),
    )
  }
}
