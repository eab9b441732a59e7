import pg, { type ClientBase, type CustomTypesConfig } from 'pg'

/**
 * Settings that our queries rely on, regardless of the defaults of the role or database. Read committed in particular:
 * a serializable reader of the change log would make serializable writes of the app fail, and an old snapshot must not
 * decide whether a slot may be freed.
 */
const SETTINGS = {
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  search_path: 'pg_catalog, pg_temp', // functions and operators of Postgres take precedence
  DateStyle: 'ISO',
  TimeZone: 'UTC',
  standard_conforming_strings: 'on',
  // Reading a table of the app must not run code of its owner: no policy, and no view that replaced the table.
  row_security: 'off',
  restrict_nonsystem_relation_kind: 'view, foreign-table', // PostgreSQL 17, and minor releases of earlier versions
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0', // PostgreSQL 14
  transaction_timeout: '0', // PostgreSQL 17
}

/**
 * Must run once per connection, before any other statement. Skips settings that the server does not know. With `pid`,
 * changes only the session of that server process; returns false if the connection reaches another one.
 */
export async function configureSession(client: ClientBase, pid: number | null = null): Promise<boolean> {
  const { rows } = await client.query<{ met: boolean }>(
    `with session as (select $3::pg_catalog.int4 is null or $3 operator(pg_catalog.=) pg_catalog.pg_backend_pid() as met)
     select met, (
       select pg_catalog.count(pg_catalog.set_config(name, value, false))
       from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as wanted (name, value)
       where met and pg_catalog.current_setting(name, true) is not null
     ) as settings
     from session`,
    [Object.keys(SETTINGS), Object.values(SETTINGS), pid],
  )
  return rows[0]?.met === true
}

const BOOL = 16
const INT8 = 20
const INT2 = 21
const INT4 = 23
const OID = 26
const FLOAT4 = 700
const FLOAT8 = 701
const TIMESTAMPTZ = 1184
const NUMERIC = 1700

const PARSERS = new Map<number, (text: string) => unknown>([
  [BOOL, text => text === 't'],
  [INT8, text => text],
  [INT2, Number],
  [INT4, Number],
  [OID, Number],
  [FLOAT4, Number],
  [FLOAT8, Number],
  [TIMESTAMPTZ, text => new Date(text.replace(' ', 'T').replace(/\+00$/, 'Z'))],
  [NUMERIC, text => text],
])

/** Type parsers for our own queries: an app may have changed the global parsers of node-postgres. */
export const ownTypes: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    (format !== 'binary' && PARSERS.get(oid)) ||
    pg.types.getTypeParser(oid, format)) as CustomTypesConfig['getTypeParser'],
}
