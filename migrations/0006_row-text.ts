import { type Migration, sql } from 'kysely'

/**
 * What the triggers share to write a row as text. None of these functions calls code of the table's owner: see
 * `src/capture/row-text.ts`.
 */
export function rowText(schema: string): Migration {
  const our = (name: string) => sql.id(schema, name)

  return {
    async up(db) {
      // The names come from the system caches, not from the transaction's snapshot: under REPEATABLE READ that may be
      // older than a column's present name, and the row is read by the present one.
      await sql`
        create function ${our('column_name')}(relation oid, number int2) returns text
        language sql stable set search_path = pg_catalog, pg_temp as ${sql.lit(
          `select (pg_identify_object_as_address('pg_class'::regclass, relation, number)).object_names[3]`,
        )}`.execute(db)

      await sql`
        create function ${our('columns_of')}(relation oid) returns text
        language sql stable set search_path = pg_catalog, pg_temp as ${sql.lit(
          `select string_agg(concat_ws(' ', attnum, atttypid, ${quoted(schema, 'column_name')}(attrelid, attnum)), chr(10) order by attnum)
          from pg_attribute where attrelid = relation and attnum > 0 and not attisdropped`,
        )}`.execute(db)

      // Not immutable in truth. Its arguments are constants, so the planner calls it once per session and plan. The plan
      // depends on the relation by that constant, so every ALTER TABLE makes a new plan, and calls it again.
      await sql`
        create function ${our('as_installed')}(relation regclass, table_id integer, columns text) returns boolean
        language sql immutable set search_path = pg_catalog, pg_temp as ${sql.lit(
          `select ${quoted(schema, 'columns_of')}(relation) = columns and exists (
            select from ${quoted(schema, 'captured_table')} as captured
            where captured.id = table_id and captured.relation::oid = as_installed.relation::oid
          )`,
        )}`.execute(db)

      // For rows of a table that is not as it was when its trigger function was made, and for sessions with settings of
      // their own. A column is left out if it has a redacted name now, or had one then; \`known\` are the names of then, by
      // number. A restored table has other numbers: there it is the place among the columns that counts. The
      // key '', which no column can have, says to the reader that the columns may not be those that it knows.
      await sql`
        create function ${our('row_text')}(
          logged anyelement, relation regclass, table_id integer, known text[], redacted text[]
        ) returns text
        language plpgsql
        set search_path = pg_catalog, pg_temp
        set "DateStyle" = 'ISO, MDY'
        set "TimeZone" = 'UTC'
        set "IntervalStyle" = 'postgres'
        set extra_float_digits = '1'
        set bytea_output = 'hex'
        as ${sql.lit(`
declare
  root oid;
  query text;
  result text;
begin
  select captured.relation into root from ${quoted(schema, 'captured_table')} as captured where captured.id = table_id;
  if root is distinct from relation::oid then
    known := array_remove(known, null);
  end if;
  select 'select pg_catalog.json_object(array['''', ' || string_agg(quote_literal(name), ', ' order by attnum)
    || ']::pg_catalog.text[], array[null, ' || string_agg(
      format('case when pg_catalog.num_nulls(($1).%1$I) = 0 then pg_catalog.concat(($1).%1$I) end', name), ', ' order by attnum
    ) || ']::pg_catalog.text[])::pg_catalog.text'
  into query
  from pg_attribute
  cross join lateral ${quoted(schema, 'column_name')}(attrelid, attnum) as name
  where attrelid = root and attnum > 0 and not attisdropped and attgenerated <> 'v'
    and not name = any(redacted) and not coalesce(known[attnum] = any(redacted), false);
  execute query into result using logged;
  return result;
end`)}`.execute(db)
    },
  }
}

/** A name within a function's body, which is one literal. */
const quoted = (schema: string, name: string) => `"${schema.replaceAll('"', '""')}".${name}`
