import type { Queryable } from '../db/connect.ts'
import { qualify } from '../db/quote.ts'
import type { Models } from '../models/model.ts'

/** Why changes of a model's table are not captured. */
export type CaptureFault =
  | 'uncaptured' // never captured, or capture was removed
  | 'gone' // the table does not exist
  | 'moved' // the name refers to another table than the captured one
  | 'missing' // triggers are missing
  | 'disabled' // triggers are disabled
  | 'bypassed' // triggers for statements miss writes through the table that it was attached to

/** How a model's table is captured at one moment. */
export interface ModelCapture {
  readonly identity: string
  /** The model's table, quoted and qualified. */
  readonly tableName: string
  /** The captured table; null if it is not captured. */
  readonly table: { readonly id: number; readonly oid: number } | null
  readonly fault: CaptureFault | null
  /** All captured tables of the model, including the current one. */
  readonly captured: readonly number[]
  /** The last finding of a publishing node; null if there is none. */
  readonly recorded: { readonly tableId: number | null; readonly fault: string | null } | null
}

/** Reads the capture of each model in one statement, so that the last finding is compared with a current catalog. */
export async function readModelCaptures(db: Queryable, schema: string, models: Models): Promise<ModelCapture[]> {
  const wanted = [...models.values()]
  const { rows } = await db.query<{ it: string }>(capturesSql(schema), [
    wanted.map(({ identity }) => identity),
    wanted.map(model => model.schema),
    wanted.map(({ table }) => table),
    wanted.map(model => qualify(model.schema, model.table)),
    schema,
  ])
  return rows.map(({ it }) => modelCapture(JSON.parse(it) as CaptureRow))
}

interface CaptureRow extends Pick<ModelCapture, 'identity' | 'tableName' | 'recorded'> {
  readonly oid: number | null
  readonly captures: readonly TableCapture[]
}

interface TableCapture {
  readonly id: number
  /** Null if the table was dropped. */
  readonly oid: number | null
  /** The events with a trigger that sees rows, as bits of pg_trigger.tgtype. */
  readonly rowEvents: number
  readonly truncates: boolean
  readonly disabled: boolean
  readonly bypassed: boolean
}

function modelCapture({ oid, captures, ...rest }: CaptureRow): ModelCapture {
  const current = captures.find(captured => oid !== null && captured.oid === oid)
  return {
    ...rest,
    table: current && oid !== null ? { id: current.id, oid } : null,
    fault: current ? triggerFault(current) : tableFault(oid, captures),
    captured: captures.map(({ id }) => id),
  }
}

function tableFault(oid: number | null, captures: readonly TableCapture[]): CaptureFault {
  if (captures.length === 0) return 'uncaptured'
  return oid === null ? 'gone' : 'moved'
}

const ROW_EVENTS = 4 | 8 | 16 // insert, delete, update

function triggerFault({ rowEvents, truncates, disabled, bypassed }: TableCapture): CaptureFault | null {
  if (disabled) return 'disabled'
  if (bypassed) return 'bypassed'
  return (rowEvents & ROW_EVENTS) === ROW_EVENTS && truncates ? null : 'missing'
}

// Reads pg_trigger once, because it has no index for the clones on partitions.
const capturesSql = (schema: string) => `
  with capture as materialized (
    select captured.id, captured.identity, class.oid,
      coalesce(pg_catalog.bit_or(tgtype) filter (where fires and sees_rows and is_own), 0) as row_events,
      coalesce(pg_catalog.bool_or(fires and tgtype operator(pg_catalog.&) 32::pg_catalog.int2 = 32 and is_own), false) as truncates,
      coalesce(pg_catalog.bool_or(not fires and (is_own or tgparentid <> 0)), false) as disabled,
      coalesce(pg_catalog.bool_or(is_own and (tgoldtable is not null or tgnewtable is not null)), false)
        and exists (select from pg_catalog.pg_inherits where inhrelid = class.oid) as bypassed
    from ${qualify(schema, 'captured_table')} as captured
    left join pg_catalog.pg_class as class on class.oid = captured.relation::pg_catalog.oid
    left join pg_catalog.pg_proc as fn on fn.proname = 'capture_' || captured.id and fn.pronargs = 0
      and fn.pronamespace = (select oid from pg_catalog.pg_namespace where nspname = $5)
    left join pg_catalog.pg_trigger as trigger on trigger.tgfoid = fn.oid
    cross join lateral (select tgenabled in ('O', 'A') as fires, tgrelid = class.oid as is_own,
      tgtype operator(pg_catalog.&) 1::pg_catalog.int2 = 1 or tgoldtable is not null or tgnewtable is not null as sees_rows) as state
    where captured.identity = any($1::pg_catalog.text[])
    group by captured.id, captured.identity, class.oid
  )
  select pg_catalog.json_build_object(
    'identity', model.identity,
    'tableName', model.table_name,
    'oid', class.oid::pg_catalog.int8,
    'captures', (
      select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
        'id', id,
        'oid', oid::pg_catalog.int8,
        'rowEvents', row_events,
        'truncates', truncates,
        'disabled', disabled,
        'bypassed', bypassed
      ) order by id), '[]')
      from capture where capture.identity = model.identity
    ),
    'recorded', (
      select pg_catalog.json_build_object('tableId', table_id, 'fault', fault)
      from ${qualify(schema, 'model_capture')} as recorded
      where recorded.identity = model.identity and recorded.table_name = model.table_name
    )
  )::pg_catalog.text as it
  from rows from (
    pg_catalog.unnest($1::pg_catalog.text[]),
    pg_catalog.unnest($2::pg_catalog.text[]),
    pg_catalog.unnest($3::pg_catalog.text[]),
    pg_catalog.unnest($4::pg_catalog.text[])
  ) as model (identity, schema, name, table_name)
  left join pg_catalog.pg_namespace as namespace on namespace.nspname = model.schema
  left join pg_catalog.pg_class as class on class.relnamespace = namespace.oid and class.relname = model.name`
