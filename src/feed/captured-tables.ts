import { sql } from 'kysely'
import { readTableShapes } from '../db/catalog.ts'
import type { Database } from '../db/connect.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { Model, Models } from '../ontology/model.ts'

/** A captured table and the model whose changes its triggers log. */
export interface CapturedTable {
  /** Undefined where the table has been dropped. */
  readonly shape: TableShape | undefined
  readonly model: Model
}

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

  /** Undefined for a table that none of our models belongs to. */
  async find(tableId: number): Promise<CapturedTable | undefined> {
    if (!this.#tables.has(tableId)) await this.refresh()
    // An id is never given twice: one that is not there now will not come.
    if (!this.#tables.has(tableId)) this.#tables.set(tableId, null)
    return this.known(tableId)
  }

  known(tableId: number): CapturedTable | undefined {
    return this.#tables.get(tableId) ?? undefined
  }

  /** Looks at the catalog again, unless it did so since that time (of `performance.now()`). */
  async refreshSince(time: number): Promise<void> {
    if (this.#refreshedAt < time) await this.refresh()
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
        return [[id, model ? { shape, model } : null] as const]
      }),
    )
  }
}
