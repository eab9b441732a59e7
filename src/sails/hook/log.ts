import type { Logger } from '../../logger.ts'
import type { SailsLog } from './sails-app.ts'

/** Logs the feed's info lines as `verbose`, because the hook logs one line of its own at lift. */
export function logThrough(log: SailsLog): Logger {
  const prefixed = (write: (...args: unknown[]) => void) => (message: string, fields?: object) =>
    fields ? write(`changefeed: ${message}`, fields) : write(`changefeed: ${message}`)
  return {
    error: prefixed((...args) => log.error(...args)),
    warn: prefixed((...args) => log.warn(...args)),
    info: prefixed((...args) => log.verbose(...args)),
    debug: prefixed((...args) => log.verbose(...args)),
  }
}
