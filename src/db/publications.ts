import type { Queryable } from './queryable.ts'

/**
 * Names the publications of logical replication that include our tables: those for all tables, and those for our
 * schema. Reads only the catalog.
 */
export async function publicationsOf(db: Queryable, schema: string): Promise<string[]> {
  const statements = (await knowsSchemas(db)) ? [FOR_ALL_TABLES, FOR_TABLES_IN_SCHEMA] : [FOR_ALL_TABLES]
  const found: string[] = []
  for (const statement of statements) {
    const { rows } = await db.query<{ name: string; schema: string | null }>(statement)
    found.push(...rows.filter(row => row.schema === null || row.schema === schema).map(({ name }) => name))
  }
  return found
}

export const describePublication = (name: string, schema: string): string =>
  `The publication ${name} includes the tables of the schema "${schema}". A logical replication subscriber without these tables fails at the first change. Before installing, limit the publication to the app's tables or schemas, or create the schema on the subscriber: pg_dump --schema-only --schema=${schema} SOURCE | psql SUBSCRIBER.`

/** True from PostgreSQL 15 on. */
async function knowsSchemas(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ version: number }>(
    "select pg_catalog.current_setting('server_version_num')::int as version",
  )
  return (rows[0]?.version ?? 0) >= 150_000
}

const FOR_ALL_TABLES = `
  select pg_catalog.quote_ident(pubname) as name, null::pg_catalog.text as schema
  from pg_catalog.pg_publication where puballtables order by pubname`

const FOR_TABLES_IN_SCHEMA = `
  select pg_catalog.quote_ident(pubname) as name, nspname::pg_catalog.text as schema
  from pg_catalog.pg_publication
  join pg_catalog.pg_publication_namespace on pnpubid = pg_publication.oid
  join pg_catalog.pg_namespace on pg_namespace.oid = pnnspid
  order by pubname`
