import type { Changefeed } from '../changefeed.ts'
import type { Database } from '../db/connect.ts'
import { describeHolder, foreignGateHolders } from '../leader/gate-holders.ts'
import { readLease } from '../leader/lease.ts'
import type { ModelFailures, PublisherOutage } from '../leader/node-health.ts'

export interface Health {
  readonly ok: boolean
  /** What is in the way, in sentences. */
  readonly reasons: readonly string[]
  /** What costs something without being in the way. */
  readonly warnings?: readonly string[]
}

/** A process that answers is alive: it waits for what it lacks, and ends by itself when waiting is of no use. */
export const ALIVE: Health = { ok: true, reasons: [] }

/** Whether changes reach their clients in time, as far as that is up to this process and to whoever leads. */
export async function readReadiness(feed: Changefeed, db: Database, lagLimitMs: number): Promise<Health> {
  const { state, listening, role, outage, failures } = feed.status()
  if (state !== 'running') return notReady(`The feed is ${state}.`)
  if (!listening)
    return notReady(
      'No notification has come back yet. If this stays, a pooler in transaction or statement mode stands between the feed and the server.',
    )
  try {
    const reasons = [...(await leaderReasons(db)), ...(role === 'standby' ? [] : await lagReasons(feed, lagLimitMs))]
    const holders = await foreignGateHolders(db)
    const warnings = [
      ...outageWarnings(outage),
      ...failures.map(failureWarning),
      ...holders.map(holder => `The advisory lock of the feed is held by ${describeHolder(holder)}.`),
    ]
    return { ok: reasons.length === 0, reasons, ...(warnings.length > 0 && { warnings }) }
  } catch {
    return notReady('The database does not answer.')
  }
}

const notReady = (reason: string): Health => ({ ok: false, reasons: [reason] })

/** Everybody may ask, so it does not say what the errors say: that may name hosts, or hold parts of a record. */
const outageWarnings = (outage: PublisherOutage | null) =>
  outage
    ? [
        `The backend of the publisher has taken no messages since ${new Date(outage.since).toISOString()}: changes wait in the log.`,
      ]
    : []

const failureWarning = ({ identity, count, at }: ModelFailures) =>
  `Model \`${identity}\`: changes that could not be published completely within the last hour: ${count}, the last at ${new Date(at).toISOString()}. The doctor says why.`

async function leaderReasons(db: Database): Promise<string[]> {
  const lease = await readLease(db)
  if (lease?.fresh) return []
  return ['No node leads: nothing is published until one has taken the lease.']
}

async function lagReasons(feed: Changefeed, lagLimitMs: number): Promise<string[]> {
  const { seconds } = await feed.lag()
  if (seconds * 1000 < lagLimitMs) return []
  return [`Publishing is ${Math.round(seconds)} s behind; ${lagLimitMs / 1000} s are allowed.`]
}
