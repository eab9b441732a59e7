import { qualify } from '../db/quote.ts'
import { ANNOTATION_BYTES_MAX, ORIGIN_BYTES_MAX, ROW_BYTES_MAX } from './limits.ts'

/** Statements that read the change log of one schema. They are text because they are prepared once per connection. */
export function changeLogStatements(schema: string) {
  const our = (name: string) => qualify(schema, name)
  const change = our('change')

  // Two ranges of one index: transactions that started after the previous snapshot, and those that were running in it.
  const started = (condition: string, columns: string) =>
    `select ${columns} from ${change} where xid >= $1::xid8 ${condition}`
  const since = (condition: string, columns = COLUMNS, running = '$2') => `
    ${started(condition, columns)}
    union all
    select ${columns} from ${change} where xid = any(${running}::xid8[]) ${condition}`
  const until = 'and xid < $3::xid8 and pg_catalog.pg_visible_in_snapshot(xid, $4::pg_snapshot) and seq > $5::bigint'
  const visible = 'xid < tick.end_xid and pg_catalog.pg_visible_in_snapshot(xid, tick.snapshot)'
  const ofTick = `
    select ${COLUMNS} from ${change} where xid >= tick.first_xid and ${visible}
    union all
    select ${COLUMNS} from ${change} where xid = any(tick.running::xid8[]) and ${visible}`
  // Returns no row when the leader's term has ended. The lock makes a successor wait until the tick is committed.
  const held = (term: string) => `held as (
        select from ${our('lease')} where term = ${term}::bigint for share
      )`
  const insertTick = (id: string, condition = '') => `
    insert into ${our('tick')} (id, snapshot, at, slot)
    select ${id}::bigint, pg_catalog.pg_current_snapshot(), at, ${our('slot_of')}(at)
    from pg_catalog.clock_timestamp() as at where ${condition} exists (select from held)`

  const createTick = (committed: string) => `
      with fresh as materialized (
        select * from (${committed}) as committed order by seq limit $2::int
      ), bounded as materialized (
        ${boundedBy('fresh', '$3::bigint')}
      ), ${held('$5')}, tick as (
        ${insertTick('$4', 'exists (select from fresh) and')} returning snapshot
      )
      select tick.snapshot::text, bounded.* from bounded cross join tick order by bounded.seq`

  return {
    createTick: createTick(since('', COLUMNS, '$6')),
    /** If no transaction was running in the previous snapshot. */
    createTickAfterQuiet: createTick(started('', COLUMNS)),
    createIdleTick: `
      with fresh as materialized (${since('')} limit 1), ${held('$4')}
      ${insertTick('$3', 'not exists (select from fresh) and')} returning snapshot::text`,
    createEmptyTick: `with ${held('$2')} ${insertTick('$1')} returning snapshot::text`,
    page: `
      with fresh as materialized (
        select * from (${since(until)}) as committed order by seq limit $6::int
      )
      ${boundedBy('fresh', '$7::bigint')} order by seq`,
    declareTick: `declare changefeed_tick no scroll cursor for select * from (${since(until)}) as committed order by seq`,
    declareSizes: `
      declare changefeed_sizes no scroll cursor for
      select ${READ_SIZE} as size from (${since(until)}) as committed order by seq`,
    smallTicks: `
      with tick as (
        select * from unnest($1::bigint[], $2::xid8[], $3::text[], $4::xid8[], $5::pg_snapshot[])
          as tick (id, first_xid, running, end_xid, snapshot)
      ), fresh as materialized (
        select tick.id as tick, committed.* from tick cross join lateral (
          select * from (${ofTick}) as of_tick order by seq limit $6::int
        ) as committed order by tick, seq limit $6::int
      )
      ${boundedBy('fresh', '$7::bigint', 'tick, seq')} order by tick, seq`,
    places: `select seq, xid from (${since(until, 'seq, xid')}) as committed order by seq limit $6::int`,
    one: `select ${COLUMNS} from ${change} where xid = $1::xid8 and seq = $2::bigint`,
    oneWithoutTexts: `select ${WITHOUT_TEXTS} from ${change} where xid = $1::xid8 and seq = $2::bigint`,
    nested: `select distinct table_id from (${since(until, 'seq, xid, table_id, nested')}) as committed where nested`,
    disordered: `
      with change as materialized (
        ${since(until, 'seq, xid, table_id, old, new, nested')}
      )
      select distinct table_id from change as inner_change
      where nested and old is not null and new is distinct from old and exists (
        select from change as outer_change
        where outer_change.xid = inner_change.xid and outer_change.table_id = inner_change.table_id
          and outer_change.new = inner_change.old and outer_change.seq > inner_change.seq
          and (inner_change.seq < ($6::bigint[])[1] or pg_catalog.width_bucket(inner_change.seq, $6::bigint[])
            < pg_catalog.width_bucket(outer_change.seq, $6::bigint[]))
      )`,
    fetchTick: (rows: number) => `fetch forward ${rows} from changefeed_tick`,
    fetchSizes: (rows: number) => `fetch forward ${rows} from changefeed_sizes`,
  }
}

const PLACE = 'seq, xid, table_id, operation, nested, extract(epoch from at) * 1000 as at'

/** Does not read toasted values. */
const SIZE = 'coalesce(octet_length(old), 0) + coalesce(octet_length(new), 0)'

/**
 * The trigger enforces the same limits, but an earlier version or a manual insert may have logged more. A value of 540
 * MB would crash this process at every start.
 */
const COLUMNS = `${PLACE},
      case when ${SIZE} <= ${ROW_BYTES_MAX} then old end as old,
      case when ${SIZE} <= ${ROW_BYTES_MAX} then new end as new,
      case when octet_length(origin) <= ${ORIGIN_BYTES_MAX} then origin end as origin,
      case when octet_length(annotations) <= ${ANNOTATION_BYTES_MAX} then annotations end as annotations,
      case when ${SIZE} > ${ROW_BYTES_MAX} then '54000' when octet_length(defect) <= 10000 then defect end as defect`

const WITHOUT_TEXTS = `${PLACE}, null as old, null as new, null as origin, null as annotations, 'unreadable' as defect`

/** Bytes of a row as it is read. */
const READ_SIZE = `${SIZE} + coalesce(octet_length(origin), 0) + coalesce(octet_length(annotations), 0)`

/** Keeps the rows up to the one that exceeds the limit, with their cumulative size. */
const boundedBy = (rows: string, bytes: string, order = 'seq') => `
      select * from (
        select *, sum(size) over (order by ${order}) as running_bytes
        from (select *, ${READ_SIZE} as size from ${rows}) as sized
      ) as summed where running_bytes - size <= ${bytes}`
