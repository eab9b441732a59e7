import { ANNOTATION_BYTES_MAX, ORIGIN_BYTES_MAX } from '../change-log/limits.ts'
import { qualify, quoteText } from '../db/quote.ts'
import { gateKey, wakeChannel } from '../wakeup/channel.ts'
import { nameMark } from './names.ts'
import type { RowText } from './row-text.ts'

/** Parameters of the trigger function of a captured table. All become literals in its body. */
export interface CaptureFunction extends RowText {
  /** Name of its column. */
  readonly primaryKey: string
  readonly originTag: boolean
}

/** Variables of every trigger function. */
export const annotationVariables = ({ originTag }: CaptureFunction): string => `
  origin pg_catalog.text := nullif(pg_catalog.current_setting('changefeed.origin', true), '');
  annotations pg_catalog.text := nullif(pg_catalog.current_setting('changefeed.annotations', true), '');
  moment pg_catalog.timestamptz := pg_catalog.clock_timestamp();${originTag ? TAG_VARIABLES : ''}`

/** Completes the origin and drops what a writer made too long or unreadable. */
export const readAnnotations = (fn: CaptureFunction): string => `${fn.originTag ? tagRead(fn) : ''}
  if pg_catalog.octet_length(origin) > ${ORIGIN_BYTES_MAX} or pg_catalog.octet_length(annotations) > ${ANNOTATION_BYTES_MAX}
    or pg_catalog.getdatabaseencoding() <> 'UTF8'
  then
    if pg_catalog.octet_length(origin) > ${ORIGIN_BYTES_MAX} then
      origin := null;
    end if;
    if pg_catalog.octet_length(annotations) > ${ANNOTATION_BYTES_MAX} then
      annotations := null;
    end if;
    begin
      perform pg_catalog.convert_to(pg_catalog.concat(origin, annotations), 'UTF8');
    exception when others then
      origin := null;
      annotations := null;
    end;
  end if;`

/**
 * The beginning of the INSERT into the log. The position of a change is the WAL position of a small message: increasing,
 * unique, and as cheap as a sequence. nextval() would change the result of lastval(), by which some drivers read the id
 * of an INSERT.
 */
export const insertChange = ({ schema }: CaptureFunction): string => `insert into ${qualify(schema, 'change')}
    (seq, xid, table_id, at, slot, nested, origin, annotations, operation, old, new, defect)`

/** Values for the columns before `operation`. The names are those of the variables, unless others are given. */
export const changeValues = (
  { schema, tableId }: CaptureFunction,
  { moment, origin, annotations } = { moment: 'moment', origin: 'origin', annotations: 'annotations' },
): string => `
    (pg_catalog.pg_logical_emit_message(false, 'changefeed', ''::pg_catalog.text) - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8,
    pg_catalog.pg_current_xact_id(),
    ${tableId},
    ${moment},
    ${qualify(schema, 'slot_of')}(${moment}),
    pg_catalog.pg_trigger_depth() > 1,
    ${origin},
    ${annotations}`

/**
 * TRUNCATE of a partitioned table also fires the trigger of each partition, and a detached partition keeps its own. All
 * BEFORE triggers of a statement fire before its AFTER triggers; the first AFTER trigger logs the truncation for all.
 */
export const truncateGuard = (fn: CaptureFunction) => `
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

const truncateMark = ({ schema, tableId }: CaptureFunction) => `'changefeed.truncated_${nameMark(schema)}_${tableId}'`

const TAG_VARIABLES = `
  stamp pg_catalog.text := (pg_catalog.date_part('epoch', pg_catalog.statement_timestamp()) * 1000000)::pg_catalog.int8 || ':';
  tag pg_catalog.text;
  sent pg_catalog.text;`

/**
 * current_query() copies the whole text sent by the client, so it is read once per client statement. The result is kept
 * in a transaction setting with the statement's timestamp, so that later statements ignore it.
 */
const tagRead = ({ schema }: CaptureFunction) => {
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
 * The listener holds the gate while it sleeps. A writer that gets a share of it need not notify, because the listener
 * cannot fall asleep before the transaction ends. A full notification queue would fail the commit, so nothing is sent
 * above half of its capacity; the listener's backstop then finds the change.
 */
export function wake({ schema }: CaptureFunction): string {
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
