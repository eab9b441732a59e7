import type { Queryable } from './connect.ts'
import type { ColumnShape, TableShape, TypeShape } from './table-shape.ts'

/** A table by name, unquoted, or by oid. */
export type TableRef = { readonly schema: string; readonly name: string } | { readonly oid: number }

/**
 * Reads the shapes of the tables from the catalog, in the given order; undefined for a table that does not exist. Two
 * queries, whatever the number of tables. Needs no privilege on the tables.
 */
export async function readTableShapes(db: Queryable, tables: readonly TableRef[]): Promise<(TableShape | undefined)[]> {
  const rows = await readJson<TableRow>(db, TABLES, [
    tables.map(table => ('oid' in table ? null : table.schema)),
    tables.map(table => ('oid' in table ? null : table.name)),
    tables.map(table => ('oid' in table ? String(table.oid) : null)),
  ])
  const typeOids = rows.flatMap(row => row.columns.map(column => column.typeOid))
  const typeOf = typeBuilder(await readJson<TypeRow>(db, TYPES, [[...new Set(typeOids)].map(String)]))
  const shapes = new Map(rows.map(row => [row.place, tableShape(row, typeOf)]))
  return tables.map((_, index) => shapes.get(index + 1))
}

interface TableRow {
  readonly place: number
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly relkind: string
  readonly isPartition: boolean
  readonly unlogged: boolean
  readonly columns: readonly ColumnRow[]
  readonly uniqueKeys: readonly (readonly string[])[]
}

interface ColumnRow {
  readonly name: string
  readonly number: number
  readonly typeOid: number
  readonly notNull: boolean
  readonly generated: '' | 's' | 'v'
}

interface TypeRow {
  readonly oid: number
  readonly name: string
  readonly typtype: string
  /** Set for a domain. */
  readonly baseOid: number
  /** Set for an array. 0 for every other type, including int2vector and oidvector. */
  readonly elementOid: number
  readonly delimiter: string
  /** Set for a composite. */
  readonly fields: readonly { readonly name: string; readonly typeOid: number }[]
}

/** Rows are read as JSON text, because the app may have changed node-postgres' parsers for the types involved. */
async function readJson<Row>(db: Queryable, sql: string, params: unknown[]): Promise<Row[]> {
  const { rows } = await db.query<{ row: string }>(sql, params)
  return rows.map(({ row }) => JSON.parse(row) as Row)
}

function tableShape(row: TableRow, typeOf: (oid: number) => TypeShape): TableShape {
  const { oid, schema, name, isPartition, unlogged, uniqueKeys } = row
  const columns = row.columns.map((column): ColumnShape => {
    const { number, typeOid, notNull, generated } = column
    return { name: column.name, number, type: typeOf(typeOid), notNull, generated: GENERATED[generated] }
  })
  const kind = KINDS.get(row.relkind) ?? 'other'
  return { oid, schema, name, kind, isPartition, unlogged, columns: new Map(columns.map(c => [c.name, c])), uniqueKeys }
}

/** Terminates, because Postgres refuses a type that contains itself. */
function typeBuilder(rows: readonly TypeRow[]): (oid: number) => TypeShape {
  const byOid = new Map(rows.map(row => [row.oid, row]))
  return function typeOf(oid): TypeShape {
    const row = byOid.get(oid)
    if (!row) return { kind: 'base', oid, name: '?' } // dropped between the two queries
    const { name, typtype, delimiter } = row
    if (row.elementOid) return { kind: 'array', oid, name, element: typeOf(row.elementOid), delimiter }
    if (typtype === 'd') return { kind: 'domain', oid, name, base: typeOf(row.baseOid) }
    if (typtype !== 'c') return { kind: SIMPLE_KINDS.get(typtype) ?? 'base', oid, name }
    const fields = row.fields.map(field => ({ name: field.name, type: typeOf(field.typeOid) }))
    return { kind: 'composite', oid, name, fields }
  }
}

const GENERATED = { '': 'no', s: 'stored', v: 'virtual' } as const

const KINDS = new Map<string, TableShape['kind']>([
  ['r', 'table'],
  ['p', 'partitioned'],
  ['v', 'view'],
  ['m', 'view'],
  ['f', 'foreign'],
])

const SIMPLE_KINDS = new Map<string, 'enum' | 'range' | 'multirange'>([
  ['e', 'enum'],
  ['r', 'range'],
  ['m', 'multirange'],
])

// Only an index that covers every row (no predicate) at all times (not deferrable) on plain columns proves uniqueness.
const TABLES = `
  select pg_catalog.json_build_object(
    'place', wanted.place,
    'oid', class.oid::pg_catalog.int8,
    'schema', namespace.nspname,
    'name', class.relname,
    'relkind', class.relkind,
    'isPartition', class.relispartition,
    'unlogged', class.relpersistence = 'u',
    'columns', (
      select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', attname,
        'number', attnum,
        'typeOid', atttypid::pg_catalog.int8,
        'notNull', attnotnull,
        'generated', attgenerated
      ) order by attnum), '[]')
      from pg_catalog.pg_attribute
      where attrelid = class.oid and attnum > 0 and not attisdropped
    ),
    'uniqueKeys', (
      select coalesce(pg_catalog.json_agg((
        select pg_catalog.json_agg(attname order by key.place)
        from pg_catalog.unnest(indkey::pg_catalog.int2[]) with ordinality as key (attnum, place)
        join pg_catalog.pg_attribute as attribute
          on attribute.attrelid = class.oid and attribute.attnum = key.attnum
        where key.place <= indnkeyatts
      ) order by indisprimary desc, indexrelid), '[]')
      from pg_catalog.pg_index
      where indrelid = class.oid and indisunique and indisvalid and indimmediate
        and indpred is null and indexprs is null
    )
  )::pg_catalog.text as row
  from rows from (
    pg_catalog.unnest($1::pg_catalog.text[]),
    pg_catalog.unnest($2::pg_catalog.text[]),
    pg_catalog.unnest($3::pg_catalog.oid[])
  ) with ordinality as wanted (schema, name, oid, place)
  join pg_catalog.pg_class as class on class.oid = coalesce(wanted.oid, (
    select named.oid
    from pg_catalog.pg_class as named
    where named.relname = wanted.name
      and named.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = wanted.schema)
  ))
  join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace`

// A true array is the array type of its element. int2vector and oidvector have an element too, but another text form.
const TYPES = `
  with recursive part (oid) as (
    select pg_catalog.unnest($1::pg_catalog.oid[])
    union
    select next.oid
    from part
    join pg_catalog.pg_type as type on type.oid = part.oid
    cross join lateral (
      select type.typbasetype
      union all select type.typelem
      union all select atttypid from pg_catalog.pg_attribute
        where attrelid = type.typrelid and attnum > 0 and not attisdropped
    ) as next (oid)
    where next.oid <> 0
  )
  select pg_catalog.json_build_object(
    'oid', type.oid::pg_catalog.int8,
    'name', type.typname,
    'typtype', type.typtype,
    'baseOid', type.typbasetype::pg_catalog.int8,
    'elementOid', coalesce(element.oid, 0)::pg_catalog.int8,
    'delimiter', coalesce(element.typdelim, type.typdelim),
    'fields', (
      select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', attname,
        'typeOid', atttypid::pg_catalog.int8
      ) order by attnum), '[]')
      from pg_catalog.pg_attribute
      where attrelid = type.typrelid and attnum > 0 and not attisdropped and type.typtype = 'c'
    )
  )::pg_catalog.text as row
  from part
  join pg_catalog.pg_type as type on type.oid = part.oid
  left join pg_catalog.pg_type as element on element.oid = type.typelem and element.typarray = type.oid`
