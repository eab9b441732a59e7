import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import type { Models } from '../models/model.ts'

/** The first tick whose snapshot contains the change of a table; null if no tick does yet. */
type FirstTick = bigint | null

/**
 * Finds models whose columns were added, dropped or altered recently. Postgres may rewrite all rows for it without firing
 * a trigger, so the change log does not show it. Live clients receive `refetch`.
 *
 * A row of `pg_attribute` names the transaction that wrote it, which is compared with the snapshots of the ticks.
 */
export class AlteredModels {
  readonly #db: Database
  readonly #models: Models
  /** By transaction. */
  readonly #ticks = new Map<string, bigint>()

  constructor(db: Database, models: Models) {
    this.#db = db
    this.#models = models
  }

  /** The models altered since the log's oldest tick. */
  async read(): Promise<ReadonlyMap<string, FirstTick>> {
    const altered = new Map<string, FirstTick>()
    for (const { identity, xid } of await this.#alterations()) altered.set(identity, await this.#firstTick(xid))
    return altered
  }

  /** The first snapshots of a log are those of no transaction, so whatever precedes the next one is not known. */
  async #alterations(): Promise<{ identity: string; xid: string }[]> {
    const models = [...this.#models.values()]
    const { rows } = await sql<{ identity: string; xid: string }>`
      with next as (
        select pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::int8 as xid
      ), oldest as (
        select snapshot from ${this.#db.our('tick')}
        where id >= (select oldest_tick from ${this.#db.our('state')}) and snapshot::text <> '2:2:' order by id limit 1
      ), altered as (
        select model.identity, max(next.xid - ((next.xid - attribute.xmin::text::int8) & 4294967295)) as xid
        from unnest(${models.map(({ identity }) => identity)}::text[], ${models.map(({ schema }) => schema)}::text[],
          ${models.map(({ table }) => table)}::text[]) as model (identity, schema, name)
        join pg_catalog.pg_namespace as namespace on namespace.nspname = model.schema
        join pg_catalog.pg_class as class on class.relnamespace = namespace.oid and class.relname = model.name
        join pg_catalog.pg_attribute as attribute on attribute.attrelid = class.oid and attribute.attnum > 0
        cross join next group by model.identity
      )
      select identity, xid::text from altered, oldest
      where not pg_catalog.pg_visible_in_snapshot(xid::text::xid8, oldest.snapshot)`.execute(this.#db.kysely)
    return rows
  }

  async #firstTick(xid: string): Promise<FirstTick> {
    const known = this.#ticks.get(xid)
    if (known !== undefined) return known
    const { rows } = await sql<{ id: string }>`
      select id from ${this.#db.our('tick')} where pg_catalog.pg_visible_in_snapshot(${xid}::xid8, snapshot)
      order by id limit 1`.execute(this.#db.kysely)
    if (!rows[0]) return null
    const tick = BigInt(rows[0].id)
    this.#ticks.set(xid, tick)
    return tick
  }
}
