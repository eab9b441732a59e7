import { type Kysely, type Migration, sql } from 'kysely'

/** Enough that one slot is being written, two are free to be emptied, and the rest are kept. */
const SLOTS = 16

export function changeLog(schema: string): Migration {
  const our = (name: string) => sql.id(schema, name)

  return {
    async up(db) {
      const run = (statement: ReturnType<typeof sql>) => statement.execute(db)

      await run(sql`
        create table ${our('captured_table')} (
          id integer generated always as identity primary key,
          relation regclass not null,
          identity text not null,
          definition text not null
        )`)

      // A change's transaction decides in which tick it is read, so (xid, seq) is the only index that reading needs.
      // Nothing here can refuse an insert: a slot without a partition of its own falls into the default one.
      await run(sql`
        create table ${our('change')} (
          seq bigint not null,
          xid xid8 not null,
          table_id integer not null,
          operation "char" not null,
          old text,
          new text,
          origin text,
          annotations text,
          at timestamptz not null,
          defect text,
          nested boolean not null,
          slot smallint not null
        ) partition by list (slot)`)
      await run(sql`create index change_xid_seq on ${our('change')} (xid, seq)`)

      await run(sql`
        create table ${our('tick')} (
          id bigint not null,
          snapshot pg_snapshot not null,
          at timestamptz not null,
          slot smallint not null,
          primary key (id, slot)
        ) partition by list (slot)`)

      for (const table of ['change', 'tick']) await createSlots(db, schema, table)

      await run(sql`
        create table ${our('state')} (
          singleton boolean primary key default true check (singleton),
          epoch integer not null,
          system_identifier text,
          database_oid oid,
          timeline text,
          slot_seconds integer not null,
          oldest_tick bigint not null
        )`)
      await run(sql`
        create table ${our('consumer')} (
          name text primary key,
          tick bigint not null,
          seq bigint not null,
          updated_at timestamptz not null
        )`)
      await run(sql`
        create table ${our('lease')} (
          singleton boolean primary key default true check (singleton),
          node text not null,
          pid integer not null,
          renewed_at timestamptz not null
        )`)
      await run(sql`
        create table ${our('node')} (
          id text primary key,
          host text not null,
          pid integer not null,
          role text not null,
          tick bigint not null,
          started_at timestamptz not null,
          seen_at timestamptz not null
        )`)

      // Slots are a ring over time. The length of a slot lives in the function so that a trigger pays no read for it.
      await run(slotFunction(schema, 70))
      // Seconds since 2020: a schema that is dropped and made again gives no cursor that the former one has given.
      await run(sql`
        insert into ${our('state')} (epoch, slot_seconds, oldest_tick)
        values (extract(epoch from clock_timestamp())::integer - 1577836800, 70, 0)`)
      // Tick 0 sees nothing (transaction ids start at 3): whatever is written before the first leader comes is read by it.
      await run(sql`
        insert into ${our('tick')} (id, snapshot, at, slot)
        values (0, '2:2:', clock_timestamp(), ${our('slot_of')}(clock_timestamp()))`)
      await run(sql`
        insert into ${our('consumer')} (name, tick, seq, updated_at)
        values ('publisher', 0, 9223372036854775807, clock_timestamp())`)

      await run(sql`revoke all on all tables in schema ${sql.id(schema)} from public`)
      await run(sql`revoke all on all sequences in schema ${sql.id(schema)} from public`)
    },
  }
}

async function createSlots(db: Kysely<unknown>, schema: string, table: string) {
  const parent = sql.id(schema, table)
  for (let slot = 0; slot < SLOTS; slot++) {
    const partition = sql.id(schema, `${table}_${slot}`)
    await sql`create table ${partition} partition of ${parent} for values in (${sql.lit(slot)})`.execute(db)
  }
  await sql`create table ${sql.id(schema, `${table}_default`)} partition of ${parent} default`.execute(db)
}

/** Not immutable, as `extract` is not: an SQL function that claims more than its body is not inlined. */
const slotFunction = (schema: string, seconds: number) => sql`
  create or replace function ${sql.id(schema, 'slot_of')}(at timestamptz) returns smallint
  language sql stable as ${sql.lit(
    `select (pg_catalog.floor(pg_catalog.date_part('epoch', at) / ${seconds})::bigint % ${SLOTS})::smallint`,
  )}`
