/**
 * The logger of the feed: a constant message, then fields. `sails.log`, `console`, and pino with a small adapter
 * implement it.
 */
export interface Logger {
  error(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  info(message: string, fields?: object): void
  debug(message: string, fields?: object): void
}

export const silentLogger: Logger = { error() {}, warn() {}, info() {}, debug() {} }
