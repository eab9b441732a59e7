import pg from 'pg'

/** Quotes a name for SQL. */
export const quoteName = (name: string): string => pg.escapeIdentifier(name)

/** Quotes a qualified name for SQL. */
export const qualify = (schema: string, name: string): string => `${quoteName(schema)}.${quoteName(name)}`

/** Quotes a string for SQL, whatever the setting of standard_conforming_strings. */
export const quoteText = (text: string): string => pg.escapeLiteral(text).trim()
