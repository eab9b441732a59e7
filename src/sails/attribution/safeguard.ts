import type { SailsLog } from '../hook/sails-app.ts'

/** Runs our part of something that the app does; gives `otherwise` where it fails. */
export type Safeguard = <T>(part: string, run: () => T, otherwise: T) => T

/**
 * What we add to the requests, queries and messages of an app must never break them: a fault of ours is logged, once for
 * each part, and the app goes on without that part.
 */
export function createSafeguard(log: Pick<SailsLog, 'error'>): Safeguard {
  const reported = new Set<string>()
  return (part, run, otherwise) => {
    try {
      return run()
    } catch (error) {
      if (!reported.has(part)) log.error(`changefeed: ${part} failed; the app goes on without it. Logged once:`, error)
      reported.add(part)
      return otherwise
    }
  }
}
