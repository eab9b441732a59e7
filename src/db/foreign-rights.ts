import type { Queryable } from './queryable.ts'
import { quoteName } from './quote.ts'

/** A privilege on one of our objects that is granted to a role other than its owner. */
export interface ForeignRight {
  /** Null for PUBLIC. */
  readonly role: string | null
  /** For example `select`. */
  readonly right: string
  /** For example `table changefeed.change`. */
  readonly object: string
  /** The oid of the schema, relation or function. */
  readonly oid: number
}

/**
 * Lists privileges on our schema and its objects that roles other than the owner hold. Excludes roles that own an
 * object in the schema, because the trigger functions of an installing role run with its privileges. Reads only the
 * catalog.
 */
export async function foreignRights(db: Queryable, schema: string): Promise<ForeignRight[]> {
  const { rows } = await db.query<{ it: string }>(FOREIGN_RIGHTS, [schema])
  return JSON.parse(rows[0]?.it ?? '[]')
}

/**
 * Revokes the privileges of other roles on new objects. Default privileges of the installing role (`alter default
 * privileges ... grant select on tables to ...`) may have granted them. Objects that existed before (`except`) keep
 * their grants, so that deliberate grants survive an update.
 */
export async function revokeForeignRights(db: Queryable, schema: string, except: ReadonlySet<number>): Promise<void> {
  const rights = (await foreignRights(db, schema)).filter(({ oid }) => !except.has(oid))
  for (const statement of new Set(rights.map(revokeAll))) await db.query(statement)
}

/** The oids of our schema and its objects. */
export async function ownObjects(db: Queryable, schema: string): Promise<Set<number>> {
  const { rows } = await db.query<{ it: string }>(OBJECTS, [schema])
  return new Set(JSON.parse(rows[0]?.it ?? '[]'))
}

export const revokeAll = ({ role, object }: Pick<ForeignRight, 'role' | 'object'>): string =>
  `revoke all on ${object} from ${role === null ? 'public' : quoteName(role)}`

/** The privileges that a role needs to run a listener when it is not a member of the installing role. */
export function listenerGrants(schema: string, role: string): string[] {
  const [ours, grantee] = [quoteName(schema), quoteName(role)]
  return [
    `grant usage on schema ${ours} to ${grantee}`,
    `grant select, insert, update, delete, truncate on all tables in schema ${ours} to ${grantee}`,
    `grant execute on function ${ours}.slot_of(timestamp with time zone) to ${grantee}`,
  ]
}

const OURS = `
  namespace as (
    select oid, nspowner, nspacl, pg_catalog.quote_ident(nspname) as name from pg_catalog.pg_namespace where nspname = $1
  ), object (oid, owner, acl, object) as (
    select oid, nspowner, coalesce(nspacl, pg_catalog.acldefault('n', nspowner)), 'schema ' || name from namespace
    union all
    select class.oid, relowner,
      coalesce(relacl, pg_catalog.acldefault(case relkind when 'S' then 's' else 'r' end::pg_catalog."char", relowner)),
      case relkind when 'S' then 'sequence ' else 'table ' end || namespace.name || '.' || pg_catalog.quote_ident(relname)
    from pg_catalog.pg_class as class join namespace on relnamespace = namespace.oid
    where relkind in ('r', 'p', 'S')
    union all
    select function.oid, proowner, coalesce(proacl, pg_catalog.acldefault('f', proowner)),
      'function ' || namespace.name || '.' || pg_catalog.quote_ident(proname)
        || '(' || pg_catalog.pg_get_function_identity_arguments(function.oid) || ')'
    from pg_catalog.pg_proc as function join namespace on pronamespace = namespace.oid
  )`

const OBJECTS = `
  with ${OURS} select coalesce(pg_catalog.json_agg(oid::pg_catalog.int8), '[]')::pg_catalog.text as it from object`

// Columns have their own ACL. `slot_of` and `has_sure_texts` read nothing that the caller cannot read, and every
// installing role needs them. Postgres requires the owner of a captured table to have EXECUTE on the trigger function
// when it adds a partition. A trigger function cannot be called directly, and creating a trigger with it requires USAGE
// on our schema.
const FOREIGN_RIGHTS = `
  with ${OURS}, entry as (
    select object.oid, owner, object, item.grantee, item.privilege_type from object, pg_catalog.aclexplode(acl) as item
    union all
    select object.oid, owner, object, item.grantee, item.privilege_type
    from object join pg_catalog.pg_attribute on attrelid = object.oid, pg_catalog.aclexplode(attacl) as item
    where object like 'table %'
  )
  select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
    'role', case when grantee <> 0 then pg_catalog.pg_get_userbyid(grantee) end,
    'right', pg_catalog.lower(privilege_type),
    'object', object,
    'oid', oid::pg_catalog.int8
  ) order by object, grantee, privilege_type), '[]')::pg_catalog.text as it
  from entry
  where grantee <> owner
    and grantee not in (select owner from object)
    and not (grantee = 0 and oid in (
      select oid from pg_catalog.pg_proc
      where proname in ('slot_of', 'has_sure_texts') or prorettype = 'pg_catalog.trigger'::pg_catalog.regtype
    ))`
