import { type Migration, sql } from 'kysely'

/**
 * Whether a trigger may log rows without a block that catches errors: as `as_installed`, and the database has the encoding
 * UTF8. With `key`, also `has_unique_rows`. Never fails, unlike these.
 *
 * Each write calls it outside of a block, so every role that owns a trigger function may, as with `slot_of`.
 */
export function sureTexts(schema: string): Migration {
  const our = (name: string) => sql.id(schema, name)

  return {
    async up(db) {
      // Not immutable in truth: see the step `0006_row-text`.
      await sql`
        create or replace function ${our('has_sure_texts')}(relation regclass, table_id integer, columns text, key smallint default null)
        returns boolean
        language plpgsql immutable set search_path = pg_catalog, pg_temp as ${sql.lit(`
begin
  return getdatabaseencoding() = 'UTF8'
    and ${quoted(schema, 'as_installed')}(relation, table_id, columns)
    and (key is null or ${quoted(schema, 'has_unique_rows')}(relation, key));
exception when others then
  return false;
end`)}`.execute(db)
    },
  }
}

/** A name within a function's body, which is one literal. */
const quoted = (schema: string, name: string) => `"${schema.replaceAll('"', '""')}".${name}`
