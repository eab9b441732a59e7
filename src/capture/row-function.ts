import { ANNOTATION_BYTES_MAX, ORIGIN_BYTES_MAX, ROW_BYTES_MAX } from '../change-log/limits.ts'
import { qualify, quoteText } from '../db/quote.ts'
import { gateKey, wakeChannel } from '../wakeup/channel.ts'
import { nameMark } from './names.ts'
import { keyTexts, type RowText, rowTexts } from './row-text.ts'

/** What the trigger function of one captured table has to know; all of it becomes literals in its body. */
export interface RowFunction extends RowText {
  /** Column. */
  readonly primaryKey: string
  readonly originTag: boolean
}

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
  annotations pg_catalog.text := nullif(pg_catalog.current_setting('changefeed.annotations', true), '');
  moment pg_catalog.timestamptz := pg_catalog.clock_timestamp();${fn.originTag ? TAG_VARIABLES : ''}
begin
  if tg_op = 'TRUNCATE' then${truncateGuard(fn)}
  else
    begin${rowTexts(fn)}
      if coalesce(pg_catalog.octet_length(old_row), 0) + coalesce(pg_catalog.octet_length(new_row), 0) > ${ROW_BYTES_MAX} then
        raise program_limit_exceeded;
      end if;${REFUSE_UNREADABLE}
    exception when others then
      reason := sqlstate; -- not the message: that may quote values
      begin
        old_row := null;
        new_row := null;${keyTexts(fn.shape.columns.get(fn.primaryKey))}${REFUSE_UNREADABLE}
      exception when others then
        old_row := null;
        new_row := null;
      end;
    end;
  end if;${fn.originTag ? tagRead(fn) : ''}
  if pg_catalog.octet_length(origin) > ${ORIGIN_BYTES_MAX} then
    origin := null;
  end if;
  if pg_catalog.octet_length(annotations) > ${ANNOTATION_BYTES_MAX} then
    annotations := null;
  end if;
  if pg_catalog.getdatabaseencoding() <> 'UTF8' then
    begin
      perform pg_catalog.convert_to(pg_catalog.concat(origin, annotations), 'UTF8');
    exception when others then
      origin := null;
      annotations := null;
    end;
  end if;
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
    annotations,
    moment,
    reason,
    pg_catalog.pg_trigger_depth() > 1,
    ${qualify(fn.schema, 'slot_of')}(moment)
  );${wake(fn)}
  return null;
end`

/** Where the database has another encoding, a text may hold bytes that have no UTF-8 form: no client could read it. */
const REFUSE_UNREADABLE = `
      if pg_catalog.getdatabaseencoding() <> 'UTF8' then
        perform pg_catalog.convert_to(pg_catalog.concat(old_row, new_row), 'UTF8');
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
