import type { SailsLog } from '../hook/sails-app.ts'

/** Runs code of ours inside an operation of the app. Returns `otherwise` if it throws. */
export type Safeguard = <T>(part: string, run: () => T, otherwise: T) => T

/**
 * An error in our instrumentation must not break the requests, queries and messages of the app. It is logged once per
 * part, and the app continues without that part.
 */
export function createSafeguard(log: Pick<SailsLog, 'error'>): Safeguard {
  const reported = new Set<string>()
  return (part, run, otherwise) => {
    try {
      return run()
    } catch (error) {
      if (!reported.has(part))
        log.error(`changefeed: ${part} failed. The app continues without it. Logged once:`, error)
      reported.add(part)
      return otherwise
    }
  }
}
