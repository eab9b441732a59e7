import { type Migration, sql } from 'kysely'

/** The backend of the process that reads as a consumer: another one takes over once it is gone. */
export function namedConsumers(schema: string): Migration {
  return {
    async up(db) {
      await sql`
        alter table ${sql.id(schema, 'consumer')}
          add column pid integer, add column backend_start timestamptz`.execute(db)
    },
  }
}
