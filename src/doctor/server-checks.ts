import { type ForeignRight, revokeAll } from '../db/foreign-rights.ts'
import { describePublication } from '../db/publications.ts'
import type { Finding } from './finding.ts'
import type { Inspection, ServerState } from './inspection.ts'

const CLOCK_TOLERANCE_MS = 2_000

/** Finds problems of the server and the connection. */
export function checkServer({ server, schema, log }: Inspection): Finding[] {
  return [
    standby(server),
    pooler(server),
    clock(server),
    replicaSessions(server),
    subscriptions(server),
    log ? publications(server, schema) : [], // before installation, the plan warns
    openRights(log?.foreignRights ?? []),
  ].flat()
}

function standby({ standby }: ServerState): Finding[] {
  if (!standby) return []
  const message = 'The server is a standby, which is read-only: nothing can be installed or published.'
  return [{ check: 'standby', severity: 'error', message: `${message} Set DATABASE_URL to the primary.` }]
}

function pooler({ notifies, standby }: ServerState): Finding[] {
  if (notifies || standby) return []
  return [
    {
      check: 'pooler',
      severity: 'error',
      message:
        'A NOTIFY is not received on the listening connection: it goes through a pooler in transaction or statement mode, which does not support LISTEN and session locks. Set DATABASE_URL of the listener to the server itself, or to a pooler in session mode. The app may continue to use the pooler.',
    },
  ]
}

function clock({ clockAheadMs }: ServerState): Finding[] {
  if (Math.abs(clockAheadMs) <= CLOCK_TOLERANCE_MS) return []
  const [seconds, way] = [(Math.abs(clockAheadMs) / 1000).toFixed(1), clockAheadMs > 0 ? 'ahead of' : 'behind']
  const message = `The clock of the database server is ${seconds} s ${way} that of this machine: times in messages and latencies are off by as much. Synchronize both with NTP.`
  return [{ check: 'clock', severity: 'warning', message }]
}

function replicaSessions({ replicaSessions }: ServerState): Finding[] {
  return replicaSessions.map(session => ({
    check: 'replica-role',
    severity: 'error',
    message: `Sessions of ${session} start with session_replication_role = replica, which disables triggers: their writes are not captured.`,
    repair: { sql: [`alter ${session} reset session_replication_role`] },
  }))
}

function subscriptions({ subscriptions }: ServerState): Finding[] {
  return subscriptions.map(name => ({
    check: 'subscription',
    severity: 'warning',
    message: `The subscription ${name} applies changes to this database as a replica: its writes to captured tables are not captured.`,
  }))
}

function publications({ publications }: ServerState, schema: string): Finding[] {
  return publications.map(name => ({
    check: 'publication',
    severity: 'warning',
    message: describePublication(name, schema),
  }))
}

/** One finding per role, because privileges are usually granted for all tables, or by default. */
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
      message: `${name} has the privilege ${first?.right} on ${first?.object}${others}. A role that may read our tables sees the rows of every captured table; one that may write to them can forge or suppress messages. If no listener connects with this role, revoke these privileges, and find their source (alter default privileges).`,
      repair: { sql: [...new Set(own.map(revokeAll))] },
    }
  })
}
