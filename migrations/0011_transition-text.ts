import { type Migration, sql } from 'kysely'

/** What the triggers of statements call. As in the step `0006_row-text`, none of it calls code of the table's owner. */
export function transitionText(schema: string): Migration {
  const our = (name: string) => sql.id(schema, name)

  return {
    async up(db) {
      // Called once per session and plan, as `as_installed` is. Without that index, or with such a foreign key,
      // transition tables may have several rows of a key.
      await sql`
        create function ${our('has_unique_rows')}(relation regclass, key smallint) returns boolean
        language sql immutable set search_path = pg_catalog, pg_temp as ${sql.lit(
          `select exists (
            select from pg_index
            where indrelid = relation and indisunique and indimmediate and indisvalid and indpred is null
              and indnkeyatts = 1 and indkey[0] = key
          ) and not exists (
            select from pg_constraint
            where conrelid = relation and contype = 'f' and (confupdtype in ('c', 'n', 'd') or confdeltype in ('n', 'd'))
          )`,
        )}`.execute(db)

      // For statements whose columns `row_text` would look up for each row. The expressions are for rows with the
      // aliases before_row and after_row: only the trigger function itself can read the transition tables.
      await sql`
        create function ${our('transition_texts')}(
          relation regclass, table_id integer, known text[], redacted text[], key text,
          out old_text text, out new_text text, out key_name text
        )
        language plpgsql stable
        set search_path = pg_catalog, pg_temp
        as ${sql.lit(`
declare
  root oid;
begin
  select captured.relation into root from ${quoted(schema, 'captured_table')} as captured where captured.id = table_id;
  if root is distinct from relation::oid then
    known := array_remove(known, null);
  end if;
  key_name := quote_ident(${quoted(schema, 'column_name')}(root, array_position(known, key)::int2));
  with logged as (
    select attnum, name
    from pg_attribute
    cross join lateral ${quoted(schema, 'column_name')}(attrelid, attnum) as name
    where attrelid = root and attnum > 0 and not attisdropped and attgenerated <> 'v'
      and not name = any(redacted) and not coalesce(known[attnum] = any(redacted), false)
  ), expression as (
    select alias, 'pg_catalog.json_object(array['''', ' || string_agg(quote_literal(name), ', ' order by attnum)
      || ']::pg_catalog.text[], array[null, ' || string_agg(
        format('case when pg_catalog.num_nulls(%1$s.%2$I) = 0 then pg_catalog.concat(%1$s.%2$I) end', alias, name), ', ' order by attnum
      ) || ']::pg_catalog.text[])::pg_catalog.text' as it
    from logged cross join unnest(array['before_row', 'after_row']) as alias
    group by alias
  )
  select max(it) filter (where alias = 'before_row'), max(it) filter (where alias = 'after_row')
  into old_text, new_text from expression;
end`)}`.execute(db)
    },
  }
}

/** A name within a function's body, which is one literal. */
const quoted = (schema: string, name: string) => `"${schema.replaceAll('"', '""')}".${name}`
