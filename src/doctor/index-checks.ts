import { qualify, quoteName } from '../db/quote.ts'
import type { Finding } from './finding.ts'
import type { Inspection } from './inspection.ts'

/** Finds tables that the feed scans when a referenced record is deleted. */
export const checkIndexes = ({ unindexed }: Inspection): Finding[] =>
  unindexed.map(({ identity, table, column, rows, parents }): Finding => {
    const name = qualify(table.schema, table.name)
    const destroyed = parents.map(parent => `\`${parent}\``).join(' or ')
    const concurrently = table.kind === 'partitioned' ? '' : ' concurrently' // not supported for partitioned tables
    return {
      check: 'index',
      severity: 'warning',
      message: `Model \`${identity}\`: no index begins with ${quoteName(column)} of ${name}, which has about ${rows} rows. When a record of ${destroyed} is destroyed, the feed reads the whole table to find the rows that refer to it.`,
      repair: { sql: [`create index${concurrently} on ${name} (${quoteName(column)})`] },
    }
  })
