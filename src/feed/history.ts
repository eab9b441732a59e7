import { openDatabase } from '../db/connect.ts'
import { acceptHistory, type History, type Identity } from '../leader/fences.ts'
import type { FeedContext } from './context.ts'
import { RENEW_MS } from './lead.ts'
import { repeat } from './repeat.ts'

export interface Acceptance {
  readonly identity: Identity
  readonly history: History
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
  { identity, history, renew, onLost, signal }: Acceptance,
): Promise<void> {
  if (history === 'same') return await acceptHistory(db, identity, history)
  const patient = openDatabase({ ...connection, queryTimeoutMs: 0 }, settings.schema)
  signal.addEventListener('abort', patient.renew, { once: true })
  const stop = repeat(RENEW_MS, renew, error => onLost(error as Error))
  try {
    signal.throwIfAborted()
    await acceptHistory(patient, identity, history)
  } finally {
    stop()
    signal.removeEventListener('abort', patient.renew)
    await patient.close()
  }
}
