import { type Kysely, type Migration, sql } from 'kysely'

const SLOTS = 4
const FORMER_SLOTS = 16
/** Slots kept behind the current one. */
const KEPT = 2
const FORMERLY_KEPT = 13

/**
 * Each slot costs every read of the log some 20 microseconds. Writers use the first slots from now on. Of the others, the
 * empty ones are dropped here, and the rest by the leader once they are freed: moving changes would take long while
 * writers wait.
 */
export function fewerSlots(schema: string): Migration {
  const our = (name: string) => sql.id(schema, name)

  return {
    async up(db) {
      await sql`lock table ${our('change')}, ${our('tick')} in access exclusive mode`.execute(db)
      const state = await sql<{ seconds: number }>`select slot_seconds as seconds from ${our('state')}`.execute(db)
      const seconds = Math.ceil(((state.rows[0]?.seconds ?? 1) * FORMERLY_KEPT) / KEPT)
      await sql`
        create or replace function ${our('slot_of')}(at timestamptz) returns smallint
        language sql stable as ${sql.lit(
          `select (pg_catalog.floor(pg_catalog.date_part('epoch', at) / ${seconds})::bigint % ${SLOTS})::smallint`,
        )}`.execute(db)
      await sql`update ${our('state')} set slot_seconds = ${seconds}`.execute(db)
      for (let slot = SLOTS; slot < FORMER_SLOTS; slot++) await dropIfEmpty(db, schema, slot)
    },
  }
}

async function dropIfEmpty(db: Kysely<unknown>, schema: string, slot: number) {
  const [change, tick, ticks] = [`change_${slot}`, `tick_${slot}`, 'tick'].map(name => sql.id(schema, name))
  const found = await sql<{ used: boolean }>`select exists (select from ${change}) as used`.execute(db)
  if (found.rows[0]?.used) return
  await sql`
    with moved as (delete from ${tick} returning id, snapshot, at)
    insert into ${ticks} (id, snapshot, at, slot)
    select id, snapshot, at, ${sql.id(schema, 'slot_of')}(at) from moved`.execute(db)
  await sql`drop table ${change}, ${tick}`.execute(db)
}
