import { sqlstateOf } from '../db/sqlstate.ts'
import { UnsafeTable } from './app-tables.ts'

/** The database is out of reach: no fault of the change, which must not be skipped for it. */
export class DatabaseUnavailable extends Error {}

/** Passes on what Postgres says of a query, and marks everything that says nothing of it. */
export async function rethrowUnavailable<T>(query: () => Promise<T>): Promise<T> {
  try {
    return await query()
  } catch (error) {
    if (error instanceof UnsafeTable) throw error
    const state = sqlstateOf(error)
    if (state !== undefined && !/^(08|40|53|55P03|57|58)/.test(state)) throw error
    throw new DatabaseUnavailable('The database is out of reach.', { cause: error })
  }
}
