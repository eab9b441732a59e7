import { openDatabase } from '../db/connect.ts'
import { type Acceptance, acceptHistory } from '../leader/database-identity.ts'
import type { FeedContext } from './context.ts'
import { RENEW_MS } from './leader-duties.ts'
import { repeat } from './repeat.ts'

export interface AcceptanceParts extends Acceptance {
  /** Renews the lease. Called periodically until the work is done. */
  renew(): Promise<unknown>
  onLost(error: Error): void
  readonly signal: AbortSignal
}

/**
 * Accepts the history of the database. A large log may take long, so the statement has no timeout and the lease is
 * renewed meanwhile. Stops at once when the signal is aborted.
 */
export async function acceptAnyHistory(
  { db, connection, settings }: FeedContext,
  { renew, onLost, signal, ...found }: AcceptanceParts,
): Promise<void> {
  if (found.history === 'same') return await acceptHistory(db, found)
  const patient = openDatabase({ ...connection, queryTimeoutMs: 0 }, settings.schema)
  signal.addEventListener('abort', patient.renew, { once: true })
  const stop = repeat(RENEW_MS, renew, error => onLost(error as Error))
  try {
    signal.throwIfAborted()
    await acceptHistory(patient, found)
  } finally {
    stop()
    signal.removeEventListener('abort', patient.renew)
    await patient.close()
  }
}
