import type { Changefeed } from '../changefeed.ts'

export interface Health {
  readonly ok: boolean
  /** What is in the way, in sentences. */
  readonly reasons: readonly string[]
}

/** A process that answers is alive: it waits for what it lacks, and ends by itself when waiting is of no use. */
export const ALIVE: Health = { ok: true, reasons: [] }

/** Whether changes reach their clients in time, as far as that is up to this process. */
export async function readReadiness(feed: Changefeed, lagLimitMs: number): Promise<Health> {
  const { state, listening, role } = feed.status()
  const reasons: string[] = []
  if (state !== 'running') reasons.push(`The feed is ${state}.`)
  else if (!listening) reasons.push('No notification has come back yet.')
  else if (role !== 'standby') reasons.push(...(await lagReasons(feed, lagLimitMs)))
  return { ok: reasons.length === 0, reasons }
}

async function lagReasons(feed: Changefeed, lagLimitMs: number): Promise<string[]> {
  try {
    const { seconds } = await feed.lag()
    if (seconds * 1000 < lagLimitMs) return []
    return [`Publishing is ${Math.round(seconds)} s behind; ${lagLimitMs / 1000} s are allowed.`]
  } catch {
    return ['The database does not answer.']
  }
}
