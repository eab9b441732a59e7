import type { Pool } from '../db/connect.ts'
import { qualify } from '../db/quote.ts'
import type { Models } from '../models/model.ts'

/**
 * A value that differs whenever a row differs that `readModelCaptures` or `readTableShapes` would read for these models.
 * Reading it costs a fraction of either.
 */
export async function readCatalogFingerprint(db: Pool, schema: string, models: Models): Promise<string> {
  const wanted = [...models.values()]
  const { rows } = await db.query<{ fingerprint: string }>({
    name: 'changefeed_fingerprint',
    text: fingerprintSql(schema),
    values: [
      wanted.map(({ identity }) => identity),
      wanted.map(model => model.schema),
      wanted.map(({ table }) => table),
      schema,
    ],
  })
  return rows[0]?.fingerprint ?? ''
}

/**
 * Sums a hash of each row's key and xmin, the transaction that wrote it. The greatest xmin would not do, because a
 * transaction may commit after one with a greater id. `indisvalid` is in the hash since Postgres 13 sets it in place.
 */
const fingerprintSql = (schema: string) => `
  with recursive model as materialized (
    select * from unnest($1::pg_catalog.text[], $2::pg_catalog.text[], $3::pg_catalog.text[]) as model (identity, schema, name)
  ), captured as materialized (
    select captured.xmin, captured.id, captured.relation::pg_catalog.oid as oid
    from ${qualify(schema, 'captured_table')} as captured where identity in (select identity from model)
  ), namespace as materialized (
    select xmin, oid, nspname from pg_catalog.pg_namespace where nspname in (select schema from model)
  ), class as materialized (
    select class.xmin, class.oid from pg_catalog.pg_class as class where oid in (
      select oid from captured
      union all
      select named.oid from model
      join namespace on namespace.nspname = model.schema
      join pg_catalog.pg_class as named on named.relnamespace = namespace.oid and named.relname = model.name
    )
  ), attribute as materialized (
    select xmin, attrelid, attnum, atttypid from pg_catalog.pg_attribute
    where attrelid in (select oid from class) and attnum > 0
  ), part (oid) as (
    select atttypid from attribute where atttypid >= ${FIRST_USER_OID}
    union
    select next.oid from part
    join pg_catalog.pg_type as type on type.oid = part.oid
    cross join lateral (
      select type.typbasetype
      union all select type.typelem
      union all select atttypid from pg_catalog.pg_attribute where attrelid = type.typrelid and attnum > 0
    ) as next (oid)
    where next.oid >= ${FIRST_USER_OID}
  ), type as materialized (
    select type.xmin, type.oid, type.typrelid from part join pg_catalog.pg_type as type on type.oid = part.oid
  ), version (kind, xmin, key) as (
    select 1, xmin, id::pg_catalog.int8 from captured
    union all select 2, recorded.xmin, pg_catalog.hashtextextended(identity || table_name, 0)
      from ${qualify(schema, 'model_capture')} as recorded where identity in (select identity from model)
    union all select 3, xmin, oid::pg_catalog.int8 from namespace
    union all select 4, xmin, oid::pg_catalog.int8 from class
    union all select 5, xmin, attrelid::pg_catalog.int8 * 2048 + attnum from attribute
    union all select 6, xmin, indexrelid::pg_catalog.int8 * 2 + indisvalid::pg_catalog.int4 from pg_catalog.pg_index
      where indrelid in (select oid from class)
    union all select 7, trigger.xmin, trigger.oid::pg_catalog.int8 from pg_catalog.pg_trigger as trigger
      where tgfoid in (
        select oid from pg_catalog.pg_proc
        where proname in (select 'capture_' || id from captured) and pronargs = 0
          and pronamespace = (select oid from pg_catalog.pg_namespace where nspname = $4)
      )
    union all select 8, xmin, inhrelid::pg_catalog.int8 from pg_catalog.pg_inherits
      where inhrelid in (select oid from class)
    union all select 9, xmin, oid::pg_catalog.int8 from type
    union all select 10, field.xmin, attrelid::pg_catalog.int8 * 2048 + attnum
      from type join pg_catalog.pg_attribute as field on attrelid = typrelid and attnum > 0
  )
  select coalesce(pg_catalog.sum(pg_catalog.hashint8extended(xmin::pg_catalog.text::pg_catalog.int8 * 16 + kind, key)), 0)::pg_catalog.text
    as fingerprint
  from version`

/** Objects with a lower oid are built in. */
const FIRST_USER_OID = 16_384
