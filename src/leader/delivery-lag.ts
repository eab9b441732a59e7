import { type Lag, readStoredLag } from '../change-log/lag.ts'
import type { Database } from '../db/connect.ts'
import { listNodes, type Node } from './nodes.ts'

/** How far publishing is behind; see {@link deliveryLag}. */
export const readDeliveryLag = async (db: Database): Promise<Lag> => await deliveryLag(db, await listNodes(db))

/**
 * The lag of the slowest publishing node, as measured by that node within the last seconds. The stored position is up
 * to a second old, so it is the fallback when no leader reports a lag.
 */
export async function deliveryLag(db: Database, nodes: readonly Node[]): Promise<Lag> {
  const isMeasured = nodes.some(({ role, health }) => role === 'leader' && health?.lag)
  if (!isMeasured) return await readStoredLag(db)
  const lags = nodes.flatMap(({ role, health }) => (role !== 'silent' && health?.lag ? [health.lag] : []))
  return lags.reduce((slowest, lag) => (lag.seconds > slowest.seconds ? lag : slowest))
}
