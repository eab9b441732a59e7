import { createHash } from 'node:crypto'
import { qualify } from '../db/quote.ts'

export interface RelationName {
  readonly schema: string
  readonly name: string
}

/** A quoted, qualified name, for SQL and for messages. */
export const qualified = ({ schema, name }: RelationName): string => qualify(schema, name)

/** Tells the feeds of one database apart where the name of our schema does not fit. */
export const nameMark = (schema: string): string => createHash('md5').update(schema).digest('hex').slice(0, 8)

export const functionName = (tableId: number): string => `capture_${tableId}`

/**
 * Triggers of one kind fire in the order of their names, so `!` puts ours before nearly any of the app's: a nested write
 * of an app's trigger is then logged after the write that caused it. The mark and the id keep two feeds, two models, and
 * a partition that is attached to a captured table apart.
 */
export const triggerName = (schema: string, tableId: number, kind: string): string =>
  `!changefeed_${nameMark(schema)}_${tableId}_${kind}`
