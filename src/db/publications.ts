import type { Queryable } from './queryable.ts'

/**
 * Publications of logical replication that publish our tables: those for all tables, and those that name our schema.
 * Reads the catalog only.
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
  `The publication ${name} publishes the tables of the schema "${schema}" too. A subscriber of native logical replication stops with an error at the first change of a table that it lacks. Before installing, let it publish the app's tables or schemas by name; or create the schema on the subscriber: pg_dump --schema-only --schema=${schema} SOURCE | psql SUBSCRIBER.`

/** PostgreSQL 15. */
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
