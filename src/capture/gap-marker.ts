import { qualify, quoteText } from '../db/quote.ts'
import { wakeChannel } from '../wakeup/channel.ts'

/**
 * Logs that changes of a captured table may be missing. Every node reads it like a change and notifies clients of the
 * model to refetch. Listeners of earlier versions handle it as a defect.
 */
export const gapMarker = (schema: string, tableId: number, reason: string): string[] => [
  `insert into ${qualify(schema, 'change')} (seq, xid, table_id, operation, at, defect, nested, slot)
select pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_logical_emit_message(false, 'changefeed', ''::pg_catalog.text), '0/0')::pg_catalog.int8,
  pg_catalog.pg_current_xact_id(), ${tableId}, 'G', at, ${quoteText(reason)}, false, ${qualify(schema, 'slot_of')}(at)
from pg_catalog.clock_timestamp() as at`,
  `select pg_catalog.pg_notify(${quoteText(wakeChannel(schema))}, '')`,
]
