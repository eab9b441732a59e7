import type { Queryable } from './queryable.ts'
import { qualify } from './quote.ts'

/** Shorter than the default deadlock_timeout: no deadlock check ever picks a transaction of the app as its victim. */
export const LOCK_ATTEMPT_MS = 100
export const LOCK_PAUSE_MS = 50

/**
 * Lets one transaction at a time install, migrate or uninstall. A lock on a table of ours, as only roles that may write to
 * it can take it: an advisory lock is open to every role that may connect. Waits as `lock_timeout` says.
 */
export async function lockInstallation(db: Queryable, schema: string): Promise<void> {
  await db.query(`lock table ${qualify(schema, 'migration')} in exclusive mode`)
}
