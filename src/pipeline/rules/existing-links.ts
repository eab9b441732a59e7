import { type RawBuilder, sql, type Transaction } from 'kysely'
import type { Database } from '../../db/connect.ts'
import { sqlstateOf } from '../../db/sqlstate.ts'
import type { Tables } from '../../db/tables.ts'
import type { Model, RecordId } from '../../models/model.ts'
import { readAppTables } from '../app-tables.ts'
import { column, table } from '../model-sql.ts'

/** The values of two attributes of a row. */
export interface Pair {
  readonly a: RecordId
  readonly b: RecordId
}

export interface PairsOfLinks {
  readonly links: Model
  readonly attributes: readonly [a: string, b: string]
  readonly pairs: readonly Pair[]
}

export interface ExistingLinks {
  readonly existing: ReadonlySet<Pair>
  /** When this was read, on the server's clock, which also timestamps changes. */
  readonly at: number
}

/**
 * Reads which pairs exist in the links, with one query. A pair that the columns cannot hold (SQLSTATE class 22) exists
 * in no row but fails the query, so each half of the pairs is then queried separately. Throws `UnsafeTable`, and errors
 * of Postgres.
 */
export async function readExistingLinks(db: Database, asked: PairsOfLinks): Promise<ExistingLinks> {
  const { links, attributes, pairs } = asked
  try {
    return await readAppTables(db, [{ model: links, attributes }], trx => readPairs(trx, asked))
  } catch (error) {
    if (!sqlstateOf(error)?.startsWith('22')) throw error
  }
  if (pairs.length === 1) return { existing: new Set(), at: Number.POSITIVE_INFINITY }
  const middle = pairs.length >> 1
  const first = await readExistingLinks(db, { ...asked, pairs: pairs.slice(0, middle) })
  const second = await readExistingLinks(db, { ...asked, pairs: pairs.slice(middle) })
  return { existing: new Set([...first.existing, ...second.existing]), at: Math.min(first.at, second.at) }
}

async function readPairs(trx: Transaction<Tables>, { links, attributes, pairs }: PairsOfLinks): Promise<ExistingLinks> {
  const [a, b] = attributes
  const types = await readTypes(trx, links, attributes)
  const { rows } = await sql<{ place: number | null; at: number }>`
    with wanted (a, b, place) as (
      select * from unnest(
        cast(${pairs.map(pair => pair.a)} as ${types(a)}[]), cast(${pairs.map(pair => pair.b)} as ${types(b)}[])
      ) with ordinality
    ), found as (
      select place from wanted where exists (
        select from ${table(links)} as links
        where links.${column(links, a)} = wanted.a and links.${column(links, b)} = wanted.b
      )
    )
    select place::int4, (extract(epoch from statement_timestamp()) * 1000)::float8 as at
    from (select) as always left join found on true`.execute(trx)
  const existing = new Set(rows.flatMap(({ place }) => (place === null ? [] : (pairs[place - 1] ?? []))))
  return { existing, at: rows[0]?.at ?? Number.POSITIVE_INFINITY }
}

/** Column types for casts. A domain is replaced by its base type, because a cast to the domain would run its checks. */
async function readTypes(
  trx: Transaction<Tables>,
  model: Model,
  attributes: readonly string[],
): Promise<(attribute: string) => RawBuilder<unknown>> {
  const columnOf = (attribute: string) => model.attributes.get(attribute)?.column
  const { rows } = await sql<{ column: string; schema: string; name: string }>`
    with recursive type (attribute, oid) as (
      select attname, atttypid from pg_catalog.pg_attribute
      join pg_catalog.pg_class as class on class.oid = attrelid
      join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
      where nspname = ${model.schema} and relname = ${model.table}
        and attname = any(${attributes.map(columnOf)}::pg_catalog.text[])
      union all
      select attribute, typbasetype from type join pg_catalog.pg_type using (oid) where typtype = 'd'
    )
    select attribute as column, nspname as schema, typname as name
    from type join pg_catalog.pg_type using (oid)
    join pg_catalog.pg_namespace as namespace on namespace.oid = typnamespace
    where typtype <> 'd'`.execute(trx)
  return attribute => {
    const type = rows.find(row => row.column === columnOf(attribute))
    if (!type) throw new Error(`"${model.schema}"."${model.table}" has no column for \`${attribute}\`.`)
    return sql.id(type.schema, type.name)
  }
}
