import { sql, type Transaction } from 'kysely'
import type { Database } from '../db/connect.ts'
import type { Tables } from '../db/tables.ts'
import { ChangefeedError } from '../errors.ts'

/**
 * The table in which the Postgres adapter stores messages that are too large for NOTIFY. It is found by the search
 * path, as the app's servers do, and created if missing. Returns its quoted, qualified name. Throws `E_OPTIONS` if
 * writing to it could run code of another role, since any role may have created a table of this name.
 */
export async function openAttachments({ kysely }: Database): Promise<string> {
  const oid = await kysely.transaction().execute(findOrCreate)
  const { rows } = await inspect(oid).execute(kysely)
  const [table] = rows
  if (!table)
    throw new ChangefeedError('E_OPTIONS', 'The table socket_io_attachments was dropped concurrently: start again.')
  const { name, owner, role, problem } = table
  if (problem === null) return name
  throw new ChangefeedError(
    'E_OPTIONS',
    `--adapter postgres would write to ${name}, which ${problem}: this could run code with the privileges of role "${role}". ` +
      `It belongs to role "${owner}". Drop it, so that the listener creates a new one, or use Redis (--redis-url).`,
  )
}

/** Uses the role's default search path, as the app's servers do. Our own connections use a safe one. */
async function findOrCreate(transaction: Transaction<Tables>): Promise<number | null> {
  await sql`set local search_path to default`.execute(transaction)
  const found = await oidOf(transaction)
  if (found !== null) return found
  await CREATE.execute(transaction) // requires a privilege that a listener may lack, so runs only if the table is missing
  return await oidOf(transaction)
}

async function oidOf(transaction: Transaction<Tables>): Promise<number | null> {
  const { rows } = await sql<{ oid: number | null }>`
    select pg_catalog.to_regclass('socket_io_attachments')::pg_catalog.oid as oid`.execute(transaction)
  return rows[0]?.oid ?? null
}

/** As in the adapter's documentation. */
const CREATE = sql`
  create table if not exists socket_io_attachments (
    id bigserial unique,
    created_at timestamptz default pg_catalog.now(),
    payload bytea
  )`

interface Attachments {
  readonly name: string
  readonly owner: string
  readonly role: string
  /** The first problem found. */
  readonly problem: string | null
}

/**
 * A superuser is a member of every role, so its table must belong to a superuser. Objects with oids from 16384 on are
 * not built in.
 */
const inspect = (oid: number | null) => sql<Attachments>`
  select
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
    pg_catalog.pg_get_userbyid(c.relowner) as owner,
    current_user as role,
    case
      when c.relkind <> 'r' then 'is no plain table'
      when not (
        o.rolsuper or o.oid = me.oid
        or (not me.rolsuper and pg_catalog.pg_has_role(me.oid, c.relowner, 'member'))
      ) then 'belongs to another role'
      when exists (select from pg_catalog.pg_trigger t where t.tgrelid = c.oid) then 'has triggers'
      when exists (select from pg_catalog.pg_rewrite r where r.ev_class = c.oid) then 'has rules'
      when c.relrowsecurity or exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid)
        then 'has row-level security'
      when exists (select from pg_catalog.pg_inherits i where c.oid in (i.inhrelid, i.inhparent))
        then 'takes part in inheritance'
      when exists (select from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.contype not in ('p', 'u', 'n'))
        then 'has constraints besides its keys'
      when exists (
        select from pg_catalog.pg_index x
        where x.indrelid = c.oid and (x.indexprs is not null or x.indpred is not null)
      ) then 'has an index on an expression'
      when exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.atttypid >= 16384
      ) then 'has columns of types that are not built in'
      when exists (
        select from pg_catalog.pg_attrdef d
        join pg_catalog.pg_depend p on p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and p.objid = d.oid
        where d.adrelid = c.oid and p.refobjid >= 16384 and p.refclassid <> 'pg_catalog.pg_class'::pg_catalog.regclass
      ) then 'has defaults that call functions'
    end as problem
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_roles o on o.oid = c.relowner
  join pg_catalog.pg_roles me on me.rolname = current_user
  where c.oid = ${oid}::pg_catalog.oid`
