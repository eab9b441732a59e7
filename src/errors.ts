/**
 * The errors that this package throws deliberately. `code` is stable, for callers to branch on. The message states the
 * problem and the remedy. `cause` is the underlying error, if any.
 */
export class ChangefeedError extends Error {
  override readonly name: string = 'ChangefeedError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Converts a thrown value to an error. Does not quote a value that is not an error, since it may contain anything. */
export const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error('A value that is not an Error was thrown.', { cause: thrown })

export type ErrorCode =
  | 'E_OPTIONS' // an option is missing or malformed
  | 'E_CONNECT' // the database cannot be reached, or refuses the connection
  | 'E_POOLER' // the connection goes through a pooler that shares sessions
  | 'E_PRIVILEGE' // the role lacks a privilege
  | 'E_SCHEMA_OWNER' // an object in our schema belongs to an untrusted role
  | 'E_STANDBY' // the server is read-only
  | 'E_VERSION' // the server is too old, or our schema is newer than this package
  | 'E_NOT_INSTALLED' // our schema is missing or outdated
  | 'E_FORBIDDEN' // a policy refuses
  | 'E_MODEL' // a model cannot be captured: no table, no usable primary key, no such column
  | 'E_LOCKED' // a table stayed locked for longer than lockTimeoutMs
  | 'E_DECODE' // a logged row cannot be turned into a record
  | 'E_STATE' // a call that the current state does not allow
  | 'E_DISCONNECTED' // the socket was disconnected meanwhile
  | 'E_EMBEDDED' // the embedded Postgres cannot be started
  | 'E_USAGE' // a call with invalid arguments
