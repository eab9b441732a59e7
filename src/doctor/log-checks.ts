import { slotSeconds } from '../change-log/retention.ts'
import type { Finding } from './finding.ts'
import type { Inspection, LogState } from './inspection.ts'

const START = 'npx waterline-changefeed start'
/** A leader shows itself every two seconds, and loses the lead after ten. */
const LEADER_SILENT_SECONDS = 15

/** What is wrong with publishing, or will be if it goes on like this. */
export function checkLog({ log, retentionMs, backlogLimitBytes }: Inspection): Finding[] {
  if (!log) return []
  return [leader(log), retention(log, retentionMs), backlog(log, retentionMs, backlogLimitBytes), paused(log)].flat()
}

function leader({ leaderSilentSeconds: silent }: LogState): Finding[] {
  if (silent !== null && silent < LEADER_SILENT_SECONDS) return []
  const since = silent === null ? 'No listener has run yet' : `No listener has shown itself for ${Math.round(silent)} s`
  return [
    {
      check: 'leader',
      severity: 'warning',
      message: `${since}: changes are captured, but not published.`,
      repair: { command: START },
    },
  ]
}

function retention({ slotSeconds: present }: LogState, retentionMs: number): Finding[] {
  if (present === slotSeconds(retentionMs)) return []
  const message = 'The change log keeps changes for another time than `retentionMs` says.'
  return [{ check: 'retention', severity: 'warning', message, repair: { command: 'npx waterline-changefeed install' } }]
}

function backlog({ lag, bytes }: LogState, retentionMs: number, limit: number): Finding[] {
  const minutes = Math.round(lag.seconds / 60)
  const late: Finding[] =
    lag.seconds * 1000 <= retentionMs / 2
      ? []
      : [
          {
            check: 'lag',
            severity: lag.seconds * 1000 > retentionMs ? 'error' : 'warning',
            message: `Publishing is ${minutes} min behind (${lag.changes}${lag.orMore ? ' changes or more' : ' changes'}), and the log keeps ${Math.round(retentionMs / 60_000)} min for clients that come back: they find a gap, and read everything again. Look at what the publisher waits for, or raise \`retentionMs\`.`,
          },
        ]
  const large: Finding[] =
    bytes <= limit / 2 || lag.changes === 0
      ? []
      : [
          {
            check: 'backlog',
            severity: bytes > limit ? 'error' : 'warning',
            message: `The change log takes up ${Math.round(bytes / 2 ** 20)} MB; above backlogLimitBytes (${Math.round(limit / 2 ** 20)} MB) what is not published is given up. Start a listener, or raise \`backlogLimitBytes\`.`,
          },
        ]
  return [...late, ...large]
}

function paused({ pauses }: LogState): Finding[] {
  return pauses
    .filter(({ resumedAt }) => resumedAt === null)
    .map(({ identity, pausedAt, withheld }) => ({
      check: 'paused',
      severity: 'warning',
      message: `Publishing of \`${identity}\` is paused since ${pausedAt.toISOString()}; ${withheld} changes were passed over.`,
      repair: { command: `npx waterline-changefeed resume ${identity}` },
    }))
}
