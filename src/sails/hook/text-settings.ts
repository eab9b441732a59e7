/** Settings that are text whatever they look like: a schema may be called `2024`. */
const ALWAYS_TEXT = new Set(['connectionString', 'schema'])

/**
 * Settings as they were meant where they come as text, such as `'false'`, `'60000'` or `'["user"]'`: an app.js may read
 * variables like `sails_changefeed__retentionMs` without Sails' own reader, which would know numbers from text.
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
