import pg from 'pg'

/** A name as it must stand in SQL text. */
export const quoteName = (name: string): string => pg.escapeIdentifier(name)

/** A qualified name as it must stand in SQL text. */
export const qualify = (schema: string, name: string): string => `${quoteName(schema)}.${quoteName(name)}`
