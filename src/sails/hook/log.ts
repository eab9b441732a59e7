import type { Logger } from '../../logger.ts'
import type { SailsLog } from './sails-app.ts'

/** What the feed has to say at lift is one line of the hook's own; the rest is for those who ask for it. */
export function logThrough(log: SailsLog): Logger {
  const say = (write: (...args: unknown[]) => void) => (message: string, fields?: object) =>
    fields ? write(`changefeed: ${message}`, fields) : write(`changefeed: ${message}`)
  return {
    error: say((...args) => log.error(...args)),
    warn: say((...args) => log.warn(...args)),
    info: say((...args) => log.verbose(...args)),
    debug: say((...args) => log.verbose(...args)),
  }
}
