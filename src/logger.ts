/**
 * What the feed logs through: a constant message first, then fields. `sails.log`, a pino child behind a three-line
 * adapter, and `console` satisfy it.
 */
export interface Logger {
  error(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  info(message: string, fields?: object): void
  debug(message: string, fields?: object): void
}

export const silentLogger: Logger = { error() {}, warn() {}, info() {}, debug() {} }
