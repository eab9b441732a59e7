import { type Migration, sql } from 'kysely'

/**
 * The lease becomes what decides who leads. `term` rises with every change of leader, so that a statement of a former
 * leader can be refused; the start of the backend tells it from a later one with the same process id.
 */
export function leaseTerm(schema: string): Migration {
  return {
    async up(db) {
      await sql`
        alter table ${sql.id(schema, 'lease')}
          add column term bigint not null default 0,
          add column backend_start timestamptz`.execute(db)
    },
  }
}
