import type { Changefeed } from '../changefeed.ts'
import type { Database } from '../db/connect.ts'
import { describeHolder, foreignGateHolders } from '../leader/gate-holders.ts'
import { readLease } from '../leader/lease.ts'

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
  const { state, listening, role } = feed.status()
  if (state !== 'running') return notReady(`The feed is ${state}.`)
  if (!listening) return notReady('No notification has come back yet.')
  try {
    const reasons = [...(await leaderReasons(db)), ...(role === 'standby' ? [] : await lagReasons(feed, lagLimitMs))]
    const holders = await foreignGateHolders(db)
    const warnings = holders.map(holder => `The advisory lock of the feed is held by ${describeHolder(holder)}.`)
    return { ok: reasons.length === 0, reasons, ...(warnings.length > 0 && { warnings }) }
  } catch {
    return notReady('The database does not answer.')
  }
}

const notReady = (reason: string): Health => ({ ok: false, reasons: [reason] })

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
