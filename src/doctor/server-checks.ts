import { type ForeignRight, revokeAll } from '../db/foreign-rights.ts'
import { describePublication } from '../db/publications.ts'
import type { Finding } from './finding.ts'
import type { Inspection, ServerState } from './inspection.ts'

const CLOCK_TOLERANCE_MS = 2_000

/** What is wrong with the server or the way to it. */
export function checkServer({ server, schema, log }: Inspection): Finding[] {
  return [
    standby(server),
    pooler(server),
    clock(server),
    replicaSessions(server),
    subscriptions(server),
    log ? publications(server, schema) : [], // before that the plan warns
    openRights(log?.foreignRights ?? []),
  ].flat()
}

function standby({ standby }: ServerState): Finding[] {
  if (!standby) return []
  const message = 'The server is a standby and takes no writes, so nothing can be installed or published from it.'
  return [{ check: 'standby', severity: 'error', message: `${message} Let DATABASE_URL name the primary.` }]
}

function pooler({ notifies, standby }: ServerState): Finding[] {
  if (notifies || standby) return []
  return [
    {
      check: 'pooler',
      severity: 'error',
      message:
        'A NOTIFY does not come back on the connection that listens for it: a pooler in transaction or statement mode stands in between, where neither LISTEN nor locks of a session hold. Let DATABASE_URL of the listener name the server itself, or a pooler in session mode. The app may go on using the pooler.',
    },
  ]
}

function clock({ clockAheadMs }: ServerState): Finding[] {
  if (Math.abs(clockAheadMs) <= CLOCK_TOLERANCE_MS) return []
  const [seconds, way] = [(Math.abs(clockAheadMs) / 1000).toFixed(1), clockAheadMs > 0 ? 'ahead of' : 'behind']
  const message = `The clock of the database server is ${seconds} s ${way} that of this machine: times in messages and latencies are wrong by that much. Let both follow NTP.`
  return [{ check: 'clock', severity: 'warning', message }]
}

function replicaSessions({ replicaSessions }: ServerState): Finding[] {
  return replicaSessions.map(session => ({
    check: 'replica-role',
    severity: 'error',
    message: `Sessions of ${session} begin with session_replication_role = replica: triggers do not fire in them, so what they write is not captured.`,
    repair: { sql: [`alter ${session} reset session_replication_role`] },
  }))
}

function subscriptions({ subscriptions }: ServerState): Finding[] {
  return subscriptions.map(name => ({
    check: 'subscription',
    severity: 'warning',
    message: `The subscription ${name} applies changes to this database as a replica: rows that it writes to captured tables are not captured.`,
  }))
}

function publications({ publications }: ServerState, schema: string): Finding[] {
  return publications.map(name => ({
    check: 'publication',
    severity: 'warning',
    message: describePublication(name, schema),
  }))
}

/** One finding for each role: rights come for all tables, or by a default. */
function openRights(rights: readonly ForeignRight[]): Finding[] {
  return [...new Set(rights.map(({ role }) => role))].map(role => {
    const own = rights.filter(right => right.role === role)
    const [first] = own
    const objects = new Set(own.map(({ object }) => object)).size
    const name = role === null ? 'Every role' : `The role "${role}"`
    const others = objects > 1 ? `, and more on ${objects - 1} other objects` : ''
    return {
      check: 'access',
      severity: role === null ? 'error' : 'warning',
      message: `${name} has the right ${first?.right} on ${first?.object}${others}. Whoever may read our tables sees the rows of every captured table; whoever may write to them can forge or stop messages. If no listener connects as it, revoke these rights, and look for where they come from (alter default privileges).`,
      repair: { sql: [...new Set(own.map(revokeAll))] },
    }
  })
}
