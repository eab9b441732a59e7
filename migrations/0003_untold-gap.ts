import { type Migration, sql } from 'kysely'

/** A gap that the clients have not been told of yet outlives the process that was to tell them. */
export function untoldGap(schema: string): Migration {
  return {
    async up(db) {
      await sql`alter table ${sql.id(schema, 'consumer')} add column gap text`.execute(db)
    },
  }
}
