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

const setting = (name: string) => `nullif(pg_catalog.current_setting('changefeed.${name}', true), '')`

/** For a path that uses each value once: a variable costs more than its expression. Requires `readTag()`. */
export const annotationExpressions = ({ originTag }: CaptureFunction) => ({
  moment: 'pg_catalog.clock_timestamp()',
  origin: originTag
    ? `coalesce(nullif(pg_catalog.substr(tag, ${STAMP_LENGTH + 1}), ''), ${setting('origin')})`
    : setting('origin'),
  annotations: setting('annotations'),
})

/** A condition: origin and annotations are so short that neither can be too long. */
export const hasShortAnnotations = (): string =>
  `pg_catalog.octet_length(pg_catalog.concat(${setting('origin')}, ${setting('annotations')})) <= ${Math.min(ORIGIN_BYTES_MAX, ANNOTATION_BYTES_MAX)}`

/** Variables with the same values. Requires `readTag()`. */
export function annotationVariables(fn: CaptureFunction): string {
  const { moment, origin, annotations } = annotationExpressions(fn)
  return `
    moment pg_catalog.timestamptz := ${moment};
    origin pg_catalog.text := ${origin};
    annotations pg_catalog.text := ${annotations};`
}

/** Drops what a writer made too long or unreadable. */
export const boundAnnotations = (): string => `
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

const ANNOTATION_VARIABLES = { moment: 'moment', origin: 'origin', annotations: 'annotations' }

/** Values for the columns before `operation`. The names are those of the variables, unless others are given. */
export const changeValues = (
  { schema, tableId }: CaptureFunction,
  { moment, origin, annotations } = ANNOTATION_VARIABLES,
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

/** The time of the client's statement, in hexadecimal. */
const STAMP = `pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.statement_timestamp()), 'hex')`
const STAMP_LENGTH = 16

/** current_query() copies the whole text sent by the client. A text up to this length is searched for each row. */
const SHORT_QUERY_BYTES = 2_000

/**
 * Sets `tag` to the statement's time, followed by the origin that its text contains. The origin of a long or tagged
 * text is read once, and kept in a setting of the transaction; the time tells later statements to ignore it.
 */
export function readTag({ schema, originTag }: CaptureFunction): string {
  if (!originTag) return ''
  const name = `'changefeed.tag_${nameMark(schema)}'`
  const kept = `pg_catalog.current_setting(${name}, true)`
  const token = `/[*]changefeed:origin=([A-Za-z0-9_.:=~-]{1,200})[*]/`
  return `
  tag := case when pg_catalog.starts_with(${kept}, ${STAMP}) then ${kept}
    when pg_catalog.octet_length(pg_catalog.current_query()) <= ${SHORT_QUERY_BYTES}
      and pg_catalog.strpos(pg_catalog.current_query(), '/*changefeed:origin=') = 0 then '' end;
  if tag is null then
    tag := pg_catalog.set_config(${name}, ${STAMP} || coalesce(
      pg_catalog."substring"(pg_catalog."left"(pg_catalog.current_query(), 300), '^[[:space:]]*${token}'),
      pg_catalog."substring"(pg_catalog."right"(pg_catalog.current_query(), 300), '${token}[[:space:]]*;?[[:space:]]*$'),
      ''
    ), true);
  end if;`
}

export const tagVariable = ({ originTag }: CaptureFunction): string =>
  originTag
    ? `
declare
  tag pg_catalog.text;`
    : ''

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
