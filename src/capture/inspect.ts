import type { Queryable } from '../db/connect.ts'
import { qualify } from '../db/quote.ts'
import { assertSchemaTrusted, type SchemaRef } from '../db/schema-trust.ts'
import { NODE_TTL_SECONDS } from '../db/tables.ts'
import type { CapturedTable, InstalledCapture, TableTree } from './installed.ts'
import { functionName } from './names.ts'

/**
 * Reads the installed capture, and the partitions and privileges of the models' tables. Takes no lock on the app's
 * tables. Throws `E_SCHEMA_OWNER` before it reads from an untrusted schema.
 */
export async function inspectCapture(
  db: Queryable,
  ours: SchemaRef,
  tables: readonly number[],
): Promise<InstalledCapture> {
  const state = await inspectSchema(db, ours)
  const captured = state.readable ? await inspectCaptured(db, ours.schema) : []
  const usage =
    state.current && state.readable ? await readOne<Usage>(db, usageOf(ours.schema)) : { published: [], nodes: [] }
  const roots = [...new Set([...tables, ...captured.flatMap(({ relation }) => relation?.oid ?? [])])]
  const trees = await readOne<TableTree[]>(db, TREES, [roots.map(String)])
  return { ...state, ...usage, captured, trees: new Map(trees.map(tree => [tree.root.oid, tree])) }
}

type Usage = Pick<InstalledCapture, 'published' | 'nodes'>

interface SchemaState extends Pick<InstalledCapture, 'migrated' | 'serverVersion' | 'role' | 'missingRights'> {
  /** Whether the schema has the tables that `usageOf` reads. */
  readonly current: boolean
  /** Whether the role may read the installed capture, as a listener may without the privileges to install. */
  readonly readable: boolean
}

async function inspectSchema(db: Queryable, ours: SchemaRef) {
  const { schema } = ours
  const state = await readOne<SchemaState>(db, SCHEMA, [schema])
  if (state.migrated) await assertSchemaTrusted(db, ours)
  const mayInstall = state.migrated && state.missingRights.length === 0
  return { ...state, nextId: mayInstall ? await readNextId(db, schema) : 1 }
}

const readNextId = (db: Queryable, schema: string) =>
  readOne<number>(
    db,
    `select (1 + coalesce(pg_catalog.pg_sequence_last_value(
      pg_catalog.pg_get_serial_sequence($1, 'id')::pg_catalog.regclass), 0))::text as it`,
    [qualify(schema, 'captured_table')],
  )

async function inspectCaptured(db: Queryable, schema: string): Promise<CapturedTable[]> {
  const table = qualify(schema, 'captured_table')
  return await readOne<CapturedTable[]>(db, capturedTables(table), [schema, functionName(0).replace('0', '')])
}

/** Rows are read as JSON text, because the app may have changed node-postgres' parsers for the types involved. */
async function readOne<T>(db: Queryable, sql: string, params: unknown[] = []): Promise<T> {
  const { rows } = await db.query<{ it: string }>(sql, params)
  return JSON.parse(rows[0]?.it ?? 'null') as T
}

// Privileges are checked only on objects that exist. The installing role owns the trigger functions, so every write of
// the app is logged with its privileges.
const SCHEMA = `
  with namespace as (
    select oid from pg_catalog.pg_namespace where nspname = $1
  ), relation as (
    select oid, relname from pg_catalog.pg_class where relnamespace = (select oid from namespace)
  ), found as (
    select
      (select oid from namespace) as namespace,
      (select oid from relation where relname = 'captured_table') as captured,
      (select oid from relation where relname = 'change') as change,
      (select oid from relation where relname = 'captured_table_id_seq') as ids,
      (select oid from relation where relname = 'model_capture') as published,
      (select oid from relation where relname = 'node') as node
  ), needed (may, what) as (
    select pg_catalog.has_schema_privilege(namespace, 'create'), 'create on schema ' || pg_catalog.quote_ident($1) from found
    union all
    select pg_catalog.has_schema_privilege(namespace, 'usage'), 'usage on schema ' || pg_catalog.quote_ident($1) from found
    union all
    select pg_catalog.has_table_privilege(captured, r), r || ' on ' || captured::pg_catalog.regclass::text
    from found, pg_catalog.unnest(array['select', 'insert', 'update', 'delete']) as r
    union all
    select pg_catalog.has_table_privilege(published, r), r || ' on ' || published::pg_catalog.regclass::text
    from found, pg_catalog.unnest(array['select', 'update']) as r
    union all
    select pg_catalog.has_table_privilege(node, 'select'), 'select on ' || node::pg_catalog.regclass::text from found
    union all
    select pg_catalog.has_table_privilege(change, 'insert'), 'insert on ' || change::pg_catalog.regclass::text from found
    union all
    select pg_catalog.has_function_privilege(oid, 'execute'), 'execute on function ' || oid::pg_catalog.regprocedure::text
    from pg_catalog.pg_proc
    where proname = 'pg_logical_emit_message' and pronamespace = 'pg_catalog'::pg_catalog.regnamespace
      or proname in ('slot_of', 'has_sure_texts') and pronamespace = (select namespace from found)
    union all
    select pg_catalog.has_sequence_privilege(ids, r), r || ' on sequence ' || ids::pg_catalog.regclass::text
    from found, pg_catalog.unnest(array['select', 'update']) as r
  )
  select pg_catalog.json_build_object(
    'current', (select published is not null from found),
    'migrated', (select captured is not null and change is not null from found),
    'readable', (
      select captured is not null and change is not null
        and pg_catalog.has_schema_privilege(namespace, 'usage')
        and pg_catalog.has_table_privilege(captured, 'select')
        and coalesce(pg_catalog.has_table_privilege(published, 'select'), true)
        and coalesce(pg_catalog.has_table_privilege(node, 'select'), true)
      from found
    ),
    'serverVersion', pg_catalog.current_setting('server_version_num')::int,
    'role', current_user,
    'missingRights', (select coalesce(pg_catalog.json_agg(what), '[]') from needed where not may)
  )::text as it`

const relationObject = (of: string) => `
    pg_catalog.json_build_object(
      'oid', ${of}.oid::pg_catalog.int8,
      'schema', (select nspname from pg_catalog.pg_namespace where oid = ${of}.relnamespace),
      'name', ${of}.relname,
      'owner', pg_catalog.pg_get_userbyid(${of}.relowner),
      'owned', pg_catalog.pg_has_role(${of}.relowner, 'usage'),
      'triggerRight', pg_catalog.has_table_privilege(${of}.oid, 'trigger')
    )`

const capturedTables = (table: string) => `
  select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
    'id', captured.id,
    'identity', captured.identity,
    'definition', captured.definition,
    'redacted', pg_catalog.to_jsonb(captured) operator(pg_catalog.->) 'redacted',
    'relation', (select ${relationObject('class')} from pg_catalog.pg_class as class where class.oid = captured.relation),
    'function', (
      select pg_catalog.json_build_object('source', prosrc, 'settings', coalesce(proconfig, '{}'), 'securityDefiner', prosecdef)
      from pg_catalog.pg_proc where pg_proc.oid = fn.oid
    ),
    'triggers', (
      select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', tgname,
        'relation', ${relationObject('class')},
        'type', tgtype,
        'conditional', tgqual is not null,
        'enabled', tgenabled,
        'cloned', tgparentid <> 0
      ) order by tgname), '[]')
      from pg_catalog.pg_trigger join pg_catalog.pg_class as class on class.oid = tgrelid
      where tgfoid = fn.oid
    )
  ) order by captured.id), '[]')::text as it
  from ${table} as captured
  left join pg_catalog.pg_proc as fn on fn.proname = $2 || captured.id and fn.pronargs = 0
    and fn.pronamespace = (select oid from pg_catalog.pg_namespace where nspname = $1)`

const usageOf = (schema: string) => `
  select pg_catalog.json_build_object(
    'published', (
      select coalesce(pg_catalog.json_agg(distinct identity), '[]') from ${qualify(schema, 'model_capture')}
    ),
    'nodes', (
      select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('host', host, 'pid', pid, 'captured', captured)), '[]')
      from ${qualify(schema, 'node')}
      where seen_at > pg_catalog.clock_timestamp() - ${NODE_TTL_SECONDS} * interval '1 second'
    )
  )::text as it`

// Uses pg_inherits because pg_partition_tree() takes locks.
const TREES = `
  with recursive tree (root, relation) as (
    select root, root from pg_catalog.unnest($1::pg_catalog.oid[]) as root
    union
    select tree.root, inhrelid
    from tree
    join pg_catalog.pg_inherits on inhparent = tree.relation
    join pg_catalog.pg_class on pg_class.oid = inhrelid and relispartition
  )
  select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
    'root', ${relationObject('class')},
    'partitions', (
      select coalesce(pg_catalog.json_agg(${relationObject('part')} order by part.oid), '[]')
      from tree join pg_catalog.pg_class as part on part.oid = tree.relation
      where tree.root = class.oid and part.oid <> class.oid
    ),
    'inherited', class.relkind = 'r' and exists (select from pg_catalog.pg_inherits where inhparent = class.oid),
    'inherits', exists (select from pg_catalog.pg_inherits where inhrelid = class.oid),
    'updatedByReferences', exists (
      select from pg_catalog.pg_constraint
      where conrelid = class.oid and contype = 'f' and (confupdtype in ('c', 'n', 'd') or confdeltype in ('n', 'd'))
    )
  )), '[]')::text as it
  from pg_catalog.unnest($1::pg_catalog.oid[]) as root
  join pg_catalog.pg_class as class on class.oid = root`
