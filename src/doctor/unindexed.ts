import type { Queryable } from '../db/connect.ts'
import type { TableShape } from '../db/table-shape.ts'
import type { Models } from '../models/model.ts'
import { referencesLookedUp } from '../publish/mapping/related-rows.ts'

/** Scanning a smaller table is as fast as using an index. */
const MIN_ROWS = 1_000

/** A column that refers to a record and has no index for finding the referring rows. */
export interface UnindexedReference {
  /** Identity of the model. */
  readonly identity: string
  readonly table: Pick<TableShape, 'schema' | 'name' | 'kind'>
  readonly column: string
  /** The planner's estimate. */
  readonly rows: number
  /** Identities of the models whose deleted records make the feed search for such rows. */
  readonly parents: readonly string[]
}

/** Reads references of large tables without an index. `shapes`: by model identity. */
export async function readUnindexed(
  db: Queryable,
  models: Models,
  shapes: ReadonlyMap<string, TableShape>,
): Promise<UnindexedReference[]> {
  const references = referencesLookedUp(models).flatMap(({ model, attribute, parent }) => {
    const table = shapes.get(model.identity)
    const column = model.attributes.get(attribute)?.column
    const shape = column === undefined ? undefined : table?.columns.get(column)
    return table && shape ? [{ identity: model.identity, table, column: shape.name, number: shape.number, parent }] : []
  })
  const asked = references.map(({ table, number }) => ({ oid: table.oid, number }))
  const { rows } = await db.query<{ it: string }>(UNINDEXED, [JSON.stringify(asked), MIN_ROWS])
  const found = JSON.parse(rows[0]?.it ?? '[]') as { oid: number; number: number; rows: number }[]
  return found.map(({ oid, number, rows: count }) => {
    const [first, ...others] = references.filter(each => each.table.oid === oid && each.number === number)
    const { identity, table, column } = first as (typeof references)[number]
    const parents = [first, ...others].flatMap(each => each?.parent.identity ?? [])
    return { identity, table, column, rows: count, parents: [...new Set(parents)] }
  })
}

const UNINDEXED = `
  select coalesce(pg_catalog.json_agg(distinct pg_catalog.jsonb_build_object(
    'oid', class.oid::pg_catalog.int8, 'number', asked.number, 'rows', class.reltuples::pg_catalog.int8
  )), '[]')::pg_catalog.text as it
  from pg_catalog.json_to_recordset($1) as asked (oid pg_catalog.int8, number pg_catalog.int4)
  join pg_catalog.pg_class as class on class.oid::pg_catalog.int8 = asked.oid
  where class.reltuples >= $2 and not exists (
    select from pg_catalog.pg_index
    where indrelid = class.oid and indisvalid and indpred is null and indkey[0] = asked.number
  )`
