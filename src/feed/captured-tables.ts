import { sql } from 'kysely'
import { readTableShapes } from '../db/catalog.ts'
import type { Database } from '../db/connect.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { Model, Models } from '../ontology/model.ts'

/** A table with capture, and whose changes it holds. */
export interface CapturedTable {
  readonly shape: TableShape
  /** Mostly one. */
  readonly models: readonly Model[]
}

/** Finds the models of a logged change by its table id. What the catalog says is kept until it proves out of date. */
export class CapturedTables {
  readonly #db: Database
  readonly #models: Models
  #tables: Map<number, CapturedTable | null> = new Map()

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

  async refresh(): Promise<void> {
    const captured = await this.#db.kysely
      .selectFrom('captured_table')
      .select(['id', sql<string>`relation::oid`.as('oid')])
      .execute()
    const shapes = await readTableShapes(
      this.#db.pool,
      captured.map(({ oid }) => ({ oid: Number(oid) })),
    )
    this.#tables = new Map(
      captured.flatMap(({ id }, index) => {
        const shape = shapes[index]
        return shape ? [[id, { shape, models: this.#modelsOf(shape) }] as const] : []
      }),
    )
  }

  #modelsOf({ schema, name }: TableShape): Model[] {
    return [...this.#models.values()].filter(model => model.schema === schema && model.table === name)
  }
}
