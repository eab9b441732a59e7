import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database } from '../db/connect.ts'
import type { Tables } from '../db/tables.ts'
import type { Model } from '../models/model.ts'

/** The attributes of a model that a query compares or returns. */
export interface TableUse {
  readonly model: Model
  readonly attributes: readonly string[]
}

/** A table of the app that the feed must not read, because reading it could run code of another role. */
export class UnsafeTable extends Error {}

/**
 * Runs a query on tables of the app. Their owners may be untrusted, and a view, a row-level security policy or an
 * implicit cast runs its owner's code with the privileges of the reader. So each name must refer to a plain table whose
 * columns need no such cast, and a lock keeps it so until the query ends. The session settings disable policies and,
 * where the server supports it, views: see `session-settings.ts`.
 *
 * Throws {@link UnsafeTable} otherwise.
 */
export async function readAppTables<T>(
  { kysely }: Database,
  uses: readonly TableUse[],
  query: (trx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  return await kysely.transaction().execute(async trx => {
    const names = uses.map(({ model }) => sql.id(model.schema, model.table))
    await sql`lock table ${sql.join(names)} in access share mode`.execute(trx)
    for (const use of uses) await refuseUnsafe(trx, use)
    return await query(trx)
  })
}

async function refuseUnsafe(db: Kysely<Tables>, { model, attributes }: TableUse) {
  const columns = attributes.flatMap(name => model.attributes.get(name)?.column ?? [])
  const { rows } = await sql<{ reason: string }>`
    with recursive relation as (
      select class.oid, class.relkind from pg_catalog.pg_class as class
      join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
      where namespace.nspname = ${model.schema} and class.relname = ${model.table}
    ), type (attribute, oid) as (
      select attname, atttypid from pg_catalog.pg_attribute join relation on attrelid = relation.oid
      where attname = any(${columns}::pg_catalog.text[])
      union all
      select attribute, typbasetype from type join pg_catalog.pg_type using (oid) where typtype = 'd'
    )
    select 'it is not a table' as reason where not exists (select from relation where relkind in ('r', 'p'))
    union all
    select 'its column "' || attribute || '" has a type of several parts, or an implicit cast by a function'
    from type join pg_catalog.pg_type using (oid)
    where oid >= ${FIRST_USER_OID} and (typtype not in ('b', 'e', 'd') or typelem <> 0 or exists (
      select from pg_catalog.pg_cast where castsource = type.oid and castmethod = 'f' and castcontext = 'i'
    ))
    limit 1`.execute(db)
  if (rows[0]) throw new UnsafeTable(`"${model.schema}"."${model.table}" cannot be read safely: ${rows[0].reason}.`)
}

/** Objects with a lower oid are built in. */
const FIRST_USER_OID = 16_384
