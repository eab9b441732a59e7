import { type Migration, sql } from 'kysely'

/** What operators need: models whose publishing is paused, and how many sockets each node serves. */
export function operations(schema: string): Migration {
  const our = (name: string) => sql.id(schema, name)

  return {
    async up(db) {
      await sql`
        create table ${our('pause')} (
          identity text primary key,
          paused_at timestamptz not null,
          resumed_at timestamptz,
          withheld bigint not null default 0
        )`.execute(db)
      await sql`revoke all on ${our('pause')} from public`.execute(db)
      await sql`alter table ${our('node')} add column sockets integer`.execute(db)
    },
  }
}
