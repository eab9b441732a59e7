import { sqlstateOf } from '../db/sqlstate.ts'
import { UnsafeTable } from './app-tables.ts'

/** The database is unavailable. The change is not at fault and must be retried, not skipped. */
export class DatabaseUnavailable extends Error {}

/** Rethrows query errors reported by Postgres, and wraps all others in {@link DatabaseUnavailable}. */
export async function rethrowUnavailable<T>(query: () => Promise<T>): Promise<T> {
  try {
    return await query()
  } catch (error) {
    if (error instanceof UnsafeTable) throw error
    const state = sqlstateOf(error)
    if (state !== undefined && !/^(08|40|53|55P03|57|58)/.test(state)) throw error
    throw new DatabaseUnavailable('The database is unavailable.', { cause: error })
  }
}
