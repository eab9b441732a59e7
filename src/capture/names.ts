import { createHash } from 'node:crypto'
import { qualify } from '../db/quote.ts'

export interface RelationName {
  readonly schema: string
  readonly name: string
}

/** A quoted, qualified name for SQL and messages. */
export const qualified = ({ schema, name }: RelationName): string => qualify(schema, name)

/** Distinguishes the feeds of one database in names that are too short for the schema name. */
export const nameMark = (schema: string): string => createHash('md5').update(schema).digest('hex').slice(0, 8)

export const functionName = (tableId: number): string => `capture_${tableId}`

/**
 * Triggers of one kind fire in alphabetical order. With `!`, ours fire before nearly all of the app's, so a nested
 * write by an app's trigger is logged after the write that caused it. The mark and the id distinguish feeds, models,
 * and a captured table that is attached as a partition.
 */
export const triggerName = (schema: string, tableId: number, kind: string): string =>
  `!changefeed_${nameMark(schema)}_${tableId}_${kind}`
