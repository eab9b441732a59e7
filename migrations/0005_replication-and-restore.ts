import { type Migration, sql } from 'kysely'

const SLOTS = [...Array(16).keys(), 'default']

/**
 * Under a publication for all tables, Postgres refuses UPDATE and DELETE on a table without a replica identity. And
 * `pg_restore --clean` drops constraints one by one, which Postgres refuses for one that a partition inherits.
 */
export function replicationAndRestore(schema: string): Migration {
  const our = (name: string) => sql.id(schema, name)

  return {
    async up(db) {
      await sql`alter table ${our('change')} replica identity full`.execute(db)
      for (const slot of SLOTS) {
        await sql`alter table ${our(`change_${slot}`)} replica identity full`.execute(db)
      }

      // Ids are unique because one leader writes them, under its lease; the keys are for finding a tick.
      await sql`alter table ${our('tick')} drop constraint tick_pkey`.execute(db)
      for (const slot of SLOTS) {
        await sql`alter table ${our(`tick_${slot}`)} add primary key (id)`.execute(db)
      }

      // A restore into the same database creates the tables anew: their oids tell, when nothing else of the server does.
      await sql`alter table ${our('state')} add column table_oid oid`.execute(db)
      await sql`update ${our('state')} set table_oid = tableoid where system_identifier is not null`.execute(db)
    },
  }
}
