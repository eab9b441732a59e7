import { slotSeconds } from '../change-log/retention.ts'
import { describeHolder } from '../leader/gate-holders.ts'
import type { FormatCommand } from '../printed-command.ts'
import type { Finding } from './finding.ts'
import type { Inspection, LogState } from './inspection.ts'
import { checkNodes } from './node-checks.ts'

/** Finds present and imminent problems of publishing. */
export function checkLog({ log, retentionMs, backlogLimitBytes, formatCommand }: Inspection): Finding[] {
  if (!log) return []
  return [
    leader(log, formatCommand),
    checkNodes(log.nodes),
    gate(log),
    retention(log, retentionMs, formatCommand),
    backlog(log, retentionMs, backlogLimitBytes),
    paused(log, formatCommand),
    consumers(log, retentionMs, formatCommand),
  ].flat()
}

function leader({ leader }: LogState, formatCommand: FormatCommand): Finding[] {
  if (leader?.fresh) return []
  const since = leader
    ? `No listener leads, and the last one renewed its lease ${Math.round(leader.silentSeconds)} s ago`
    : 'No listener has run yet'
  return [
    {
      check: 'leader',
      severity: 'warning',
      message: `${since}: changes are captured, but not published.`,
      repair: { command: formatCommand('start') },
    },
  ]
}

/** A held gate causes notifications, which take a cluster-wide lock at each commit. */
function gate({ gateHolders }: LogState): Finding[] {
  return gateHolders.map(holder => ({
    check: 'gate',
    severity: 'warning',
    message: `The advisory lock of the gate is held by a session that is not a listener: ${describeHolder(holder)}. Changes are still published, but every write notifies, and the leader reads 10 times a second while idle. Terminate that session.`,
    repair: { sql: [`select pg_catalog.pg_terminate_backend(${holder.pid})`] },
  }))
}

function retention({ slotSeconds: present }: LogState, retentionMs: number, formatCommand: FormatCommand): Finding[] {
  if (present === slotSeconds(retentionMs)) return []
  const message = 'The retention of the change log differs from `retentionMs`.'
  return [{ check: 'retention', severity: 'warning', message, repair: { command: formatCommand('install') } }]
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
            message: `Publishing is ${minutes} min behind (${lag.changes}${lag.orMore ? ' changes or more' : ' changes'}), and the log keeps ${Math.round(retentionMs / 60_000)} min for reconnecting clients: they will find a gap and refetch. Find out what delays the publisher, or raise \`retentionMs\`.`,
          },
        ]
  const large: Finding[] =
    bytes <= limit / 2 || lag.changes === 0
      ? []
      : [
          {
            check: 'backlog',
            severity: bytes > limit ? 'error' : 'warning',
            message: `The change log takes up ${Math.round(bytes / 2 ** 20)} MB; above backlogLimitBytes (${Math.round(limit / 2 ** 20)} MB) unpublished changes are dropped. Start a listener, or raise \`backlogLimitBytes\`.`,
          },
        ]
  return [...late, ...large]
}

function paused({ pauses }: LogState, formatCommand: FormatCommand): Finding[] {
  return pauses
    .filter(({ resumedAt }) => resumedAt === null)
    .map(({ identity, pausedAt, withheld }) => ({
      check: 'paused',
      severity: 'warning',
      message: `Publishing of \`${identity}\` has been paused since ${pausedAt.toISOString()}; ${withheld} changes were skipped.`,
      repair: { command: formatCommand(`resume ${identity}`) },
    }))
}

/** The change log keeps what a consumer has not acknowledged, up to the limit of the backlog. */
function consumers({ consumers: all }: LogState, retentionMs: number, formatCommand: FormatCommand): Finding[] {
  return all
    .filter(({ lag }) => lag.seconds * 1000 > retentionMs)
    .map(({ name, connected, lag }) => {
      const reads = connected ? 'reads slowly' : 'is read by no process'
      const message = `The consumer \`${name}\` ${reads} and is ${Math.round(lag.seconds / 60)} min behind. The change log keeps these changes for it, up to backlogLimitBytes; above that it receives a gap. Start its process, or drop it if it is not needed any more.`
      return {
        check: 'consumer',
        severity: 'warning',
        message,
        repair: { command: formatCommand(`consumers drop ${name}`) },
      }
    })
}
