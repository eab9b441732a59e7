import type { Queryable } from './queryable.ts'
import { qualify } from './quote.ts'

/** Shorter than the default deadlock_timeout, so that no deadlock check cancels a transaction of the app. */
export const LOCK_ATTEMPT_MS = 100
export const LOCK_PAUSE_MS = 50

/**
 * Serializes install, migrate and uninstall. Locks one of our tables, which only roles with write access can do; any
 * role that may connect could take an advisory lock. Waits for up to `lock_timeout`.
 */
export async function lockInstallation(db: Queryable, schema: string): Promise<void> {
  await db.query(`lock table ${qualify(schema, 'migration')} in exclusive mode`)
}
