import { type Migration, sql } from 'kysely'

/**
 * What has to outlive a process so that capture which was off, and capture that others use, is known: how each model's
 * table was captured when a publishing node last looked, which columns an installation left out, and which captured
 * tables each node publishes.
 */
export function modelCapture(schema: string): Migration {
  const our = (name: string) => sql.id(schema, name)

  return {
    async up(db) {
      await sql`
        create table ${our('model_capture')} (
          identity text not null,
          table_name text not null,
          table_id integer,
          fault text,
          since timestamptz not null,
          primary key (identity, table_name)
        )`.execute(db)
      await sql`revoke all on ${our('model_capture')} from public`.execute(db)
      await sql`alter table ${our('captured_table')} add column redacted text[]`.execute(db)
      await sql`alter table ${our('node')} add column captured integer[]`.execute(db)
    },
  }
}
