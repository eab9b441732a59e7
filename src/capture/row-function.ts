import { qualify, quoteName, quoteText } from '../db/quote.ts'
import { gateKey, wakeChannel } from '../wakeup/channel.ts'
import { nameMark } from './names.ts'

/** What the trigger function of one captured table has to know; all of it becomes literals in its body. */
export interface RowFunction {
  readonly schema: string
  readonly tableId: number
  readonly primaryKey: string
  readonly redacted: readonly string[]
  /** Set where a redacted column cannot simply be nulled: then these columns, and no others, make up the row. */
  readonly listed: readonly string[] | null
  readonly originTag: boolean
}

/**
 * A row whose texts are larger than this is logged without them. The write of such a row must not fail where the log's
 * would (Postgres builds a row in one piece of 1 GB at most), and no listener could send it on.
 */
const ROW_BYTES_MAX = 128 * 1024 * 1024

/**
 * The body of the trigger function, in plpgsql. It runs inside the app's writes, so it may not fail, wait, or depend on
 * what the session has set: every name is qualified, no literal holds a backslash (standard_conforming_strings), and
 * whatever can fail is in a block of its own, without a write, which therefore takes no transaction id.
 *
 * A change's place is that of a small record in the write-ahead log: it rises with every change of the database, no two
 * are alike, and it costs what a sequence costs. nextval() would change what lastval() tells the app, and some drivers
 * learn by it which id an INSERT was given.
 */
export const rowFunctionBody = (fn: RowFunction): string => `
declare
  old_row pg_catalog.text;
  new_row pg_catalog.text;
  reason pg_catalog.text;
  origin pg_catalog.text := nullif(pg_catalog.current_setting('changefeed.origin', true), '');
  moment pg_catalog.timestamptz := pg_catalog.clock_timestamp();${fn.originTag ? TAG_VARIABLES : ''}
begin
  if tg_op = 'TRUNCATE' then${truncateGuard(fn)}
  else
    begin
      if tg_op <> 'INSERT' then${rowText(fn, 'old')}
      end if;
      if tg_op <> 'DELETE' then${rowText(fn, 'new')}
      end if;
      if coalesce(pg_catalog.octet_length(old_row), 0) + coalesce(pg_catalog.octet_length(new_row), 0) > ${ROW_BYTES_MAX} then
        raise program_limit_exceeded;
      end if;
    exception when others then
      reason := sqlstate; -- not the message: that may quote values
      begin${keyText(fn, 'old', 'INSERT')}${keyText(fn, 'new', 'DELETE')}
      exception when others then
        old_row := null;
        new_row := null;
      end;
    end;
  end if;${fn.originTag ? tagRead(fn) : ''}
  insert into ${qualify(fn.schema, 'change')}
    (seq, xid, table_id, operation, old, new, origin, annotations, at, defect, nested, slot)
  values (
    (pg_catalog.pg_logical_emit_message(false, 'changefeed', ''::pg_catalog.text) - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8,
    pg_catalog.pg_current_xact_id(),
    ${fn.tableId},
    pg_catalog."left"(tg_op, 1)::pg_catalog."char",
    old_row,
    new_row,
    origin,
    nullif(pg_catalog.current_setting('changefeed.annotations', true), ''),
    moment,
    reason,
    pg_catalog.pg_trigger_depth() > 1,
    ${qualify(fn.schema, 'slot_of')}(moment)
  );${wake(fn)}
  return null;
end`

function rowText({ redacted, listed }: RowFunction, row: 'old' | 'new'): string {
  if (listed) {
    const columns = listed.map(column => `${row}.${quoteName(column)}`).join(', ')
    return `
        select pg_catalog.row_to_json(kept.*)::pg_catalog.text into ${row}_row from (select ${columns}) as kept;`
  }
  return `${redacted.map(column => `\n        ${row}.${quoteName(column)} := null;`).join('')}
        ${row}_row := pg_catalog.row_to_json(${row})::pg_catalog.text;`
}

const keyText = ({ primaryKey }: RowFunction, row: 'old' | 'new', absentIn: string) => `
        ${row}_row := null;
        if tg_op <> '${absentIn}' then
          ${row}_row := pg_catalog.json_build_object(${quoteText(primaryKey)}::pg_catalog.text, ${row}.${quoteName(primaryKey)})::pg_catalog.text;
        end if;`

/**
 * TRUNCATE of a partitioned table fires the trigger of each partition as well, and a detached partition keeps its own.
 * All BEFORE triggers of a statement come before its AFTER triggers: the first of these logs it for all.
 */
const truncateGuard = (fn: RowFunction) => `
    if tg_when = 'BEFORE' then
      perform pg_catalog.set_config(${truncateMark(fn)}, '', true);
      return null;
    end if;
    if not exists (
      select from ${qualify(fn.schema, 'captured_table')} as captured
      where captured.id = ${fn.tableId} and (
        captured.relation::pg_catalog.oid = tg_relid
        or exists (
          select from pg_catalog.pg_partition_ancestors(tg_relid) as ancestor
          where ancestor.relid::pg_catalog.oid = captured.relation::pg_catalog.oid
        )
      )
    ) then
      return null;
    end if;
    if pg_catalog.current_setting(${truncateMark(fn)}, true) = 'logged' then
      return null;
    end if;
    perform pg_catalog.set_config(${truncateMark(fn)}, 'logged', true);`

const truncateMark = ({ schema, tableId }: RowFunction) => `'changefeed.truncated_${nameMark(schema)}_${tableId}'`

const TAG_VARIABLES = `
  stamp pg_catalog.text := (pg_catalog.date_part('epoch', pg_catalog.statement_timestamp()) * 1000000)::pg_catalog.int8 || ':';
  tag pg_catalog.text;
  sent pg_catalog.text;`

/**
 * current_query() copies the whole text that the client sent, so it is read once per statement of the client. What was
 * found is kept in a setting of the transaction beside the time of that statement, so that a later one never meets it.
 */
const tagRead = ({ schema }: RowFunction) => {
  const setting = `'changefeed.tag_${nameMark(schema)}'`
  const token = `/[*]changefeed:origin=([A-Za-z0-9_.:=~-]{1,200})[*]/`
  return `
  tag := pg_catalog.current_setting(${setting}, true);
  if tag is null or not pg_catalog.starts_with(tag, stamp) then
    sent := pg_catalog.current_query();
    tag := stamp || coalesce(
      pg_catalog."substring"(pg_catalog."left"(sent, 300), '^[[:space:]]*${token}'),
      pg_catalog."substring"(pg_catalog."right"(sent, 300), '${token}[[:space:]]*;?[[:space:]]*$'),
      ''
    );
    perform pg_catalog.set_config(${setting}, tag, true);
  end if;
  origin := coalesce(nullif(pg_catalog.substr(tag, pg_catalog.length(stamp) + 1), ''), origin);`
}

/**
 * The listener holds the gate while it sleeps. Whoever gets a share of it need not notify: the listener cannot fall
 * asleep before this transaction has ended. A full notification queue would fail the commit, so a queue that is half
 * full gets no more; the listener's backstop finds the change.
 */
function wake({ schema }: RowFunction): string {
  const [key1, key2] = gateKey(schema)
  return `
  if not pg_catalog.pg_try_advisory_xact_lock_shared(${key1}, ${key2}) then
    if pg_catalog.current_setting('changefeed.notify', true) is distinct from 'off'
      and pg_catalog.pg_notification_queue_usage() < 0.5
    then
      perform pg_catalog.pg_notify(${quoteText(wakeChannel(schema))}, '');
    end if;
  end if;`
}
