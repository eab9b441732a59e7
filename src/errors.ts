/**
 * Every error that this package throws on purpose. `code` is stable and is what callers branch on; the message says
 * what is wrong and how to mend it; `cause` carries the error of a lower level, where there is one.
 */
export class ChangefeedError extends Error {
  override readonly name: string = 'ChangefeedError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whatever was thrown, as an error. What is none is not quoted: it may hold anything. */
export const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error('Something that is no Error was thrown.', { cause: thrown })

export type ErrorCode =
  | 'E_OPTIONS' // an option is missing or malformed
  | 'E_CONNECT' // the database cannot be reached, or refuses us
  | 'E_POOLER' // the connection leads through a pooler that shares sessions out by transaction
  | 'E_PRIVILEGE' // the role lacks a right
  | 'E_SCHEMA_OWNER' // something in our schema belongs to a role that we do not trust
  | 'E_STANDBY' // the server is read-only
  | 'E_VERSION' // the server is too old, or our schema is newer than this package
  | 'E_NOT_INSTALLED' // our schema is missing or behind
  | 'E_MODEL' // a model cannot be captured: no table, no usable primary key, no such column
  | 'E_LOCKED' // a table stayed locked for longer than lockTimeoutMs
  | 'E_DECODE' // a logged row cannot be turned into a record
  | 'E_STATE' // a call that the present state does not allow
  | 'E_EMBEDDED' // the embedded Postgres cannot be started
  | 'E_USAGE' // a call with arguments that do not fit
