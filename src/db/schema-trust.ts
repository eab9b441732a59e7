import { ChangefeedError } from '../errors.ts'
import type { Queryable } from './queryable.ts'

export interface SchemaRef {
  /** Name of our schema, unquoted. */
  readonly schema: string
  /**
   * A role that may own it in addition to those that are always trusted, for a listener whose role is not a member of
   * the installing role.
   */
  readonly schemaOwner?: string | undefined
}

/**
 * Verifies that our schema and everything in it belong to trusted roles, before anything in it is read, written or
 * called. Any role that may create a schema could have created ours: a view in place of a table would run its owner's
 * code with our privileges, and a table would expose the logged rows to its owner.
 *
 * Trusted are the current role, roles whose privileges it has as a member, superusers, and `schemaOwner`. Membership is
 * ignored for a superuser, which has the privileges of every role.
 *
 * Reads only the catalog. Returns whether the schema exists. Throws `E_SCHEMA_OWNER`, which names the object and its
 * owner.
 */
export async function assertSchemaTrusted(db: Queryable, { schema, schemaOwner }: SchemaRef): Promise<boolean> {
  const { rows } = await db.query<{ it: string }>(INSPECTION, [schema, schemaOwner ?? null])
  const { exists, role, untrusted } = JSON.parse(rows[0]?.it ?? '{}') as SchemaInspection
  const [first] = untrusted
  if (first) throw untrustedError(first, untrusted.length, role, schema)
  return exists
}

interface SchemaInspection {
  readonly exists: boolean
  readonly role: string
  readonly untrusted: readonly UntrustedObject[]
}

interface UntrustedObject {
  /** For example `table changefeed.change`. */
  readonly what: string
  readonly owner: string
  /** A problem other than its owner. */
  readonly flaw: string | null
}

function untrustedError(
  { what, owner, flaw }: UntrustedObject,
  count: number,
  role: string,
  schema: string,
): ChangefeedError {
  const others = count > 1 ? ` (and ${count - 1} more)` : ''
  if (flaw !== null) {
    return new ChangefeedError(
      'E_SCHEMA_OWNER',
      `Nothing was changed: ${what}${others} ${flaw}. The feed requires its schema "${schema}" as it was installed. Remove the added object, or choose another \`schema\`.`,
    )
  }
  return new ChangefeedError(
    'E_SCHEMA_OWNER',
    `Nothing was changed: ${what}${others} belongs to the role "${owner}", which the role "${role}" does not trust. Its owner could run code with the privileges of this connection, or read the change log. ` +
      `If "${owner}" installed the feed on purpose, set \`schemaOwner\` to it, or connect as it. Otherwise drop the object, or choose another \`schema\`.`,
  )
}

// Our schema contains only tables, indexes, sequences and row types; other relations are rejected whatever their owner.
// A trigger, a foreign key or a child table is attributed to the owner of its function or table.
const INSPECTION = `
  with me as (
    select oid, rolsuper from pg_catalog.pg_roles where rolname = current_user
  ), trusted as (
    select role.oid from pg_catalog.pg_roles as role, me
    where role.oid = me.oid or role.rolsuper or role.rolname = $2
      or (not me.rolsuper and pg_catalog.pg_has_role(role.oid, 'usage'))
  ), namespace as (
    select oid, nspowner, pg_catalog.quote_ident(nspname) as name from pg_catalog.pg_namespace where nspname = $1
  ), relation as (
    select class.*, case class.relkind
        when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' when 'S' then 'sequence'
        when 'c' then 'type' when 'i' then 'index' when 'I' then 'index' else 'table'
      end || ' ' || namespace.name || '.' || pg_catalog.quote_ident(class.relname) as what
    from pg_catalog.pg_class as class join namespace on class.relnamespace = namespace.oid
  ), object (what, owner, flaw) as (
    select 'schema ' || name, nspowner, null::pg_catalog.text from namespace
    union all
    select what, relowner, case
        when relkind in ('v', 'm', 'f') then 'is not a table'
        when relrowsecurity then 'has row-level security, which hides changes'
        when relkind in ('r', 'p') and exists (
          select from pg_catalog.pg_rewrite where ev_class = relation.oid
        ) then 'has a rewrite rule'
      end
    from relation
    union all
    select 'function ' || namespace.name || '.' || pg_catalog.quote_ident(proname), proowner, null
    from pg_catalog.pg_proc join namespace on pronamespace = namespace.oid
    union all
    select 'trigger ' || pg_catalog.quote_ident(tgname) || ' on ' || relation.what, proowner, null
    from pg_catalog.pg_trigger
    join relation on relation.oid = tgrelid
    join pg_catalog.pg_proc on pg_proc.oid = tgfoid
    where not tgisinternal
    union all
    select 'foreign key ' || pg_catalog.quote_ident(conname) || ' to ' || relation.what, referencing.relowner, null
    from pg_catalog.pg_constraint
    join relation on relation.oid = confrelid
    join pg_catalog.pg_class as referencing on referencing.oid = conrelid
    where contype = 'f'
    union all
    select 'child table ' || pg_catalog.quote_ident(child.relname) || ' of ' || relation.what, child.relowner, null
    from pg_catalog.pg_inherits
    join relation on relation.oid = inhparent
    join pg_catalog.pg_class as child on child.oid = inhrelid
  ), untrusted as (
    select what, pg_catalog.pg_get_userbyid(owner) as owner,
      case when owner in (select oid from trusted) then flaw end as flaw
    from object where flaw is not null or owner not in (select oid from trusted)
    order by what like 'schema %' desc, what
  )
  select pg_catalog.json_build_object(
    'exists', exists (select from namespace),
    'role', current_user,
    'untrusted', (select coalesce(pg_catalog.json_agg(untrusted), '[]') from untrusted)
  )::pg_catalog.text as it`
