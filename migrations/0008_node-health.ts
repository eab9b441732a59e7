import { type Migration, sql } from 'kysely'

/** What a node says of its own work, so that every command and page can show it. Text kept as `json`: it may hold \u0000. */
export function nodeHealth(schema: string): Migration {
  return {
    async up(db) {
      await sql`alter table ${sql.id(schema, 'node')} add column version text, add column health json`.execute(db)
    },
  }
}
