const MOST_ROWS = 50
const MOST_COLUMNS = 50
const MOST_STATEMENTS = 50
const LONGEST_VALUE = 300

/** The result of a run, as the page shows it. */
export interface SqlAnswer {
  readonly statements: readonly StatementAnswer[]
  readonly notes: readonly string[]
  readonly error?: SqlError
  readonly durationMs: number
}

export interface StatementAnswer {
  /** The command tag, such as `INSERT`. */
  readonly command: string
  /** Number of rows written or returned. */
  readonly rowCount: number
  readonly columns: readonly string[]
  /** The first rows, with values as Postgres' text. */
  readonly rows: readonly (readonly (string | null)[])[]
}

export interface SqlError {
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  /** Character position in the SQL, from 1. */
  readonly position?: number
}

/** One result of node-postgres, with rows as arrays of text. */
interface Result {
  readonly command: string | null
  readonly rowCount: number | null
  readonly fields: readonly { readonly name: string }[]
  readonly rows: readonly (readonly (string | null)[])[]
}

/** Several statements return an array of results. An empty text returns a result without a command. */
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
