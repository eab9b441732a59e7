import { setTimeout as sleep } from 'node:timers/promises'
import { type Backoff, backoffMs } from '../backoff.ts'
import { DatabaseUnavailable, rethrowUnavailable } from '../pipeline/connection-errors.ts'

const RETRY: Backoff = { firstMs: 100, lastMs: 1_000 }
/** Clients wait that long before they are told to ask again. */
const WAIT_MS = 15_000

/**
 * Runs a query again while the database is unavailable, for a limited time: the feed may be replacing its connections just
 * when many clients return. Rejects with the signal's reason when aborted.
 */
export async function whenAvailable<Result>(query: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  const deadline = performance.now() + WAIT_MS
  for (let attempt = 1; ; attempt++) {
    try {
      return await rethrowUnavailable(query)
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof DatabaseUnavailable)) throw error
      if (performance.now() > deadline) throw error.cause
      await sleep(backoffMs(attempt, RETRY), undefined, { signal })
    }
  }
}
