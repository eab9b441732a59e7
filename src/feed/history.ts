import { openDatabase } from '../db/connect.ts'
import { type Acceptance, acceptHistory } from '../leader/database-identity.ts'
import type { FeedContext } from './context.ts'
import { RENEW_MS } from './leader-duties.ts'
import { repeat } from './repeat.ts'

export interface AcceptanceParts extends Acceptance {
  /** Of the lease; called now and then until it is done. */
  renew(): Promise<unknown>
  onLost(error: Error): void
  readonly signal: AbortSignal
}

/**
 * May take as long as the log is large: no deadline may cut it short for ever, nor the lease run out over it. Ends at once
 * with the signal.
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
