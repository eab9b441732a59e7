import type { Changefeed } from '../changefeed.ts'
import type { Database } from '../db/connect.ts'
import { describeHolder, foreignGateHolders } from '../leader/gate-holders.ts'
import { readLease } from '../leader/lease.ts'
import type { ModelFailures, PublisherOutage } from '../leader/node-health.ts'

export interface Health {
  readonly ok: boolean
  /** Why it is not ready, as sentences. */
  readonly reasons: readonly string[]
  /** Problems that do not affect readiness, as sentences. */
  readonly warnings?: readonly string[]
}

/** A process that responds is alive. It retries after recoverable failures and exits by itself after others. */
export const ALIVE: Health = { ok: true, reasons: [] }

/** Whether changes are published in time, as far as this process and the leader are concerned. */
export async function readReadiness(feed: Changefeed, db: Database, lagLimitMs: number): Promise<Health> {
  const { state, listening, role, outage, failures } = feed.status()
  if (state !== 'running') return notReady(`The feed is ${state}.`)
  if (!listening)
    return notReady(
      'No notification has been received yet. If this persists, the feed connects through a pooler in transaction or statement mode: connect directly instead.',
    )
  try {
    const reasons = [...(await leaderReasons(db)), ...(role === 'standby' ? [] : await lagReasons(feed, lagLimitMs))]
    const holders = await foreignGateHolders(db)
    const warnings = [
      ...outageWarnings(outage),
      ...failures.map(failureWarning),
      ...holders.map(holder => `The advisory lock of the feed is held by another session: ${describeHolder(holder)}.`),
    ]
    return { ok: reasons.length === 0, reasons, ...(warnings.length > 0 && { warnings }) }
  } catch {
    return notReady('The database does not respond.')
  }
}

const notReady = (reason: string): Health => ({ ok: false, reasons: [reason] })

/** Omits error messages, because the endpoint is public and they may contain host names or parts of records. */
const outageWarnings = (outage: PublisherOutage | null) =>
  outage
    ? [
        `The backend of the publisher has been unavailable since ${new Date(outage.since).toISOString()}. Changes are kept in the log and published when it is back.`,
      ]
    : []

const failureWarning = ({ identity, count, at }: ModelFailures) =>
  `Model \`${identity}\`: ${count} ${count === 1 ? 'change was' : 'changes were'} not published completely within the last hour, the last at ${new Date(at).toISOString()}. Run the doctor for the reasons.`

async function leaderReasons(db: Database): Promise<string[]> {
  const lease = await readLease(db)
  if (lease?.fresh) return []
  return ['There is no leader. Nothing is published until a node takes the lease.']
}

async function lagReasons(feed: Changefeed, lagLimitMs: number): Promise<string[]> {
  const { seconds } = await feed.lag()
  if (seconds * 1000 < lagLimitMs) return []
  return [`The lag is ${Math.round(seconds)} s. The maximum is ${lagLimitMs / 1000} s.`]
}
