/** Settings that are never parsed: a schema may be named `2024`. */
const ALWAYS_TEXT = new Set(['connectionString', 'schema'])

/**
 * Parses settings that are given as text, such as `'false'`, `'60000'` or `'["user"]'`. An app.js may pass environment
 * variables like `sails_changefeed__retentionMs` without Sails' own parsing.
 */
export function fromText(value: unknown): unknown {
  if (typeof value === 'string') return parsed(value)
  if (!isPlain(value)) return value
  const entries = Object.entries(value)
  return Object.fromEntries(entries.map(([name, item]) => [name, ALWAYS_TEXT.has(name) ? item : fromText(item)]))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
