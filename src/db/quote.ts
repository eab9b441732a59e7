import pg from 'pg'

/** A name as it must stand in SQL text. */
export const quoteName = (name: string): string => pg.escapeIdentifier(name)

/** A qualified name as it must stand in SQL text. */
export const qualify = (schema: string, name: string): string => `${quoteName(schema)}.${quoteName(name)}`

/** A text as it must stand in SQL text, whatever standard_conforming_strings says. */
export const quoteText = (text: string): string => pg.escapeLiteral(text).trim()
