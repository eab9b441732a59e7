import type { Client } from '../db/connect.ts'
import { qualify, quoteName, quoteText } from '../db/quote.ts'
import { TABLES } from './tables.ts'

/** The role that runs SQL of the page. */
export const SQL_ROLE = 'demo_page'

/** Maximum number of concurrent runs of the page. */
export const SQL_RUNS = 4
/** More than the runs, because a backend may end later than its run. */
const SESSIONS = 3 * SQL_RUNS

/**
 * Creates a role that can only read and write the demo's tables. It owns nothing, cannot create anything (including
 * temporary tables and large objects), cannot take advisory locks, which could block the feed, and cannot connect to other
 * databases. The page connects as this role, so `reset role` does not gain privileges.
 */
export async function prepareSqlRole(client: Client, { database, schema, password }: SqlRoleOptions) {
  const { rows } = await client.query('select 1 from pg_catalog.pg_roles where rolname = $1', [SQL_ROLE])
  const verb = rows.length === 0 ? 'create' : 'alter'
  const tables = TABLES.map(name => qualify(schema, name)).join(', ')
  const sequences = TABLES.map(name => qualify(schema, `${name}_id_seq`)).join(', ')
  // A role can change its own password and defaults, so those of an earlier run are reset.
  await client.query(`
    ${verb} role ${SQL_ROLE} with login password ${quoteText(password)} nosuperuser nocreatedb nocreaterole noinherit noreplication
      nobypassrls connection limit ${SESSIONS};
    alter role ${SQL_ROLE} reset all;
    alter role ${SQL_ROLE} in database ${quoteName(database)} reset all;
    alter role ${SQL_ROLE} set temp_file_limit = '64MB';
    revoke all on database postgres, template1, ${quoteName(database)} from public;
    revoke all on schema ${quoteName(schema)} from public;
    grant connect on database ${quoteName(database)} to ${SQL_ROLE};
    grant usage on schema ${quoteName(schema)} to ${SQL_ROLE};
    grant select, insert, update, delete, truncate on ${tables} to ${SQL_ROLE};
    grant usage on ${sequences} to ${SQL_ROLE};
    ${REVOKE_FUNCTIONS}`)
}

interface SqlRoleOptions {
  readonly database: string
  readonly schema: string
  readonly password: string
}

/** Functions that are granted to public by default and that the page must not call: advisory locks, large objects. */
const REVOKE_FUNCTIONS = `
  do $$
  declare
    routine pg_catalog.regprocedure;
  begin
    for routine in
      select oid from pg_catalog.pg_proc
      where pronamespace = 'pg_catalog'::pg_catalog.regnamespace
        and proname ~ '^(pg_(try_)?advisory_|lo_|loread$|lowrite$)'
    loop
      execute pg_catalog.format('revoke execute on function %s from public', routine);
    end loop;
  end $$`
