const MOST_ROWS = 50
const MOST_COLUMNS = 50
const MOST_STATEMENTS = 50
const LONGEST_VALUE = 300

/** What the page shows of the SQL that it ran. */
export interface SqlAnswer {
  readonly statements: readonly StatementAnswer[]
  readonly notes: readonly string[]
  readonly error?: SqlError
  readonly durationMs: number
}

export interface StatementAnswer {
  /** As in `INSERT`. */
  readonly command: string
  /** Rows that were written, or are in the result. */
  readonly rowCount: number
  readonly columns: readonly string[]
  /** The first ones, as the text that Postgres sent. */
  readonly rows: readonly (readonly (string | null)[])[]
}

export interface SqlError {
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  /** Characters into the SQL, from 1. */
  readonly position?: number
}

/** One result of node-postgres, with rows as arrays of text. */
interface Result {
  readonly command: string | null
  readonly rowCount: number | null
  readonly fields: readonly { readonly name: string }[]
  readonly rows: readonly (readonly (string | null)[])[]
}

/** Several statements in one text give several results; none gives one without a command. */
export function statementAnswers(results: unknown): StatementAnswer[] {
  return ([results].flat() as Result[])
    .filter(({ command }) => command !== null)
    .slice(0, MOST_STATEMENTS)
    .map(({ command, rowCount, fields, rows }) => ({
      command: command ?? '',
      rowCount: rowCount ?? 0,
      columns: fields.slice(0, MOST_COLUMNS).map(({ name }) => name),
      rows: rows.slice(0, MOST_ROWS).map(row => row.slice(0, MOST_COLUMNS).map(shortened)),
    }))
}

const shortened = (value: string | null) =>
  value !== null && value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value

export function sqlError(error: unknown): SqlError {
  const { message, detail, hint, position } = error as Error & { detail?: string; hint?: string; position?: string }
  return {
    message,
    ...(detail !== undefined && { detail }),
    ...(hint !== undefined && { hint }),
    ...(position !== undefined && { position: Number(position) }),
  }
}
