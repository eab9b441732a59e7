import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { BEFORE_ALL, withoutPartial } from '../change-log/lag.ts'
import {
  currentSnapshot,
  hasChangesBetween,
  newestTick,
  type Position,
  publishedPosition,
} from '../change-log/position.ts'
import { parseSince } from '../change-log/since.ts'
import type { Database } from '../db/connect.ts'
import { listNodes, type Node } from '../leader/nodes.ts'
import type { Models } from '../models/model.ts'
import type { Settings } from '../options.ts'
import { listPauses, type Pause } from '../pipeline/pauses.ts'
import { examine } from './doctor.ts'
import type { Finding } from './finding.ts'

export interface AuditOptions {
  /** Start of the window: a cursor, a time, or a duration such as `10m`. */
  readonly since: string
  /** How long changes of the last moments may take to be published, in milliseconds. */
  readonly waitMs: number
}

/** Whether every committed change of a window was published or lies in a declared gap. */
export interface Audit {
  /** No finding. */
  readonly complete: boolean
  readonly models: readonly AuditedModel[]
  /** Gaps that were declared, or will be when a paused model is resumed. */
  readonly gaps: readonly AuditedGap[]
  /** What keeps the audit from being complete. */
  readonly findings: readonly Finding[]
}

export interface AuditedModel {
  readonly identity: string
  /** Changes committed in the window. */
  readonly changes: number
  readonly unpublished: number
}

export interface AuditedGap {
  readonly identity: string
  /** `defect` (a row that could not be logged), `failed`, `paused`, or what was wrong with capture. */
  readonly reason: string
  readonly changes: number
  /** The last one. */
  readonly at: Date
}

interface Evidence {
  readonly position: Position | null
  readonly logged: readonly LoggedTable[]
  readonly nodes: readonly Node[]
  /** The newest tick when the audit began, which every node must have published. */
  readonly tick: bigint
  readonly pauses: readonly Pause[]
  /** Of capture as it is now. */
  readonly capture: readonly Finding[]
}

interface LoggedTable {
  readonly identity: string
  readonly changes: number
  readonly unpublished: number
  readonly defects: number
  /** Marks in the log that capture was off. */
  readonly marks: readonly string[]
  readonly at: Date
}

/**
 * Compares the change log with what was published. It reads only, and works while changes are written: it judges what was
 * committed before it began. Throws `E_USAGE` if the window begins before the change log.
 */
export async function audit(
  db: Database,
  settings: Settings,
  models: Models,
  { since, waitMs }: AuditOptions,
): Promise<Audit> {
  const { position: from } = await parseSince(db, since)
  const until = await currentSnapshot(db)
  const tick = (await newestTick(db))?.id ?? 0n
  await published(db, { until, tick, waitMs })
  const position = await publishedPosition(db)
  const evidence: Evidence = {
    position,
    tick,
    logged: await loggedBetween(db, from, until, position ?? BEFORE_ALL),
    nodes: await listNodes(db),
    pauses: await listPauses(db),
    capture: (await examine(db, settings, models)).findings.filter(
      ({ check, severity }) => severity === 'error' && CAPTURE_CHECKS.includes(check),
    ),
  }
  return judge(evidence)
}

const POLL_MS = 250
const CAPTURE_CHECKS = ['schema', 'triggers', 'capture', 'schema-name', 'rights', 'replica', 'version']

interface Target {
  readonly until: string
  readonly tick: bigint
  readonly waitMs: number
}

/** Waits until the changes that were committed before are published on every node, at most for that long. */
async function published(db: Database, { until, tick, waitMs }: Target): Promise<void> {
  for (const deadline = performance.now() + waitMs; performance.now() < deadline; await sleep(POLL_MS)) {
    const position = await publishedPosition(db)
    if (!position || position.partial || (await hasChangesBetween(db, position.tick.snapshot, until))) continue
    if (nodesBehind(await listNodes(db), tick).length === 0) return
  }
}

/** Nodes that publish to sockets of their own each have a position; with a cluster adapter only the leader's counts. */
const nodesBehind = (nodes: readonly Node[], tick: bigint) =>
  nodes.filter(
    node => node.sockets !== null && (node.role === 'leader' || node.role === 'follower') && node.tick < tick,
  )

/** What was committed after the first position and before `until`, by model. */
async function loggedBetween(
  { kysely, our }: Database,
  from: Position,
  until: string,
  position: Position,
): Promise<LoggedTable[]> {
  const { rows } = await sql<{
    identity: string
    changes: string
    unpublished: string
    defects: string
    marks: string[] | null
    at: Date
  }>`
    select identity, count(*) filter (where operation <> 'G') as changes,
      count(*) filter (where unpublished) as unpublished,
      count(*) filter (where defect is not null and operation <> 'G') as defects,
      array_agg(distinct defect) filter (where operation = 'G') as marks, max(at) as at
    from (
      select coalesce(captured.identity, 'table ' || table_id) as identity, operation, defect, at,
        not pg_catalog.pg_visible_in_snapshot(xid, ${position.tick.snapshot}::pg_snapshot)
          ${withoutPartial(our('tick'), position.partial)} as unpublished
      from ${our('change')} as logged left join ${our('captured_table')} as captured on captured.id = table_id
      where not pg_catalog.pg_visible_in_snapshot(xid, ${from.tick.snapshot}::pg_snapshot)
        and pg_catalog.pg_visible_in_snapshot(xid, ${until}::pg_snapshot)
        ${withoutPartial(our('tick'), from.partial)}
    ) as audited
    group by identity order by identity`.execute(kysely)
  return rows.map(({ identity, at, marks, ...counts }) => ({
    identity,
    changes: Number(counts.changes),
    unpublished: Number(counts.unpublished),
    defects: Number(counts.defects),
    marks: marks ?? [],
    at,
  }))
}

/** Pure. */
function judge(evidence: Evidence): Audit {
  const findings = [...positionFindings(evidence), ...nodeFindings(evidence), ...evidence.capture]
  return {
    complete: findings.length === 0,
    models: evidence.logged
      .filter(({ changes }) => changes > 0)
      .map(({ identity, changes, unpublished }) => ({ identity, changes, unpublished })),
    gaps: gapsOf(evidence),
    findings,
  }
}

function positionFindings({ position, logged }: Evidence): Finding[] {
  const error = (message: string): Finding[] => [{ check: 'published', severity: 'error', message }]
  if (!position) return error('The stored position is older than the change log: changes were freed unpublished.')
  const behind = logged.filter(({ unpublished }) => unpublished > 0)
  const list = behind.map(({ identity, unpublished }) => `${identity} ${unpublished}`).join(', ')
  return [
    ...(behind.length > 0 ? error(`Committed changes are not published, and no gap is declared: ${list}.`) : []),
    ...(position.gap ? error('Changes were skipped, and their clients have not been told to refetch yet.') : []),
  ]
}

function nodeFindings({ nodes, tick }: Evidence): Finding[] {
  return nodesBehind(nodes, tick).map(({ id, host, pid, tick: reached }) => ({
    check: 'node',
    severity: 'error',
    message: `Node ${id.slice(0, 8)} (${host}/${pid}) has published to its sockets up to tick ${reached} of ${tick}.`,
  }))
}

function gapsOf({ logged, nodes, pauses }: Evidence): AuditedGap[] {
  const failures = nodes.flatMap(({ health }) => health?.failures ?? [])
  return [
    ...logged.flatMap(({ identity, marks, at }) => marks.map(reason => ({ identity, reason, changes: 0, at }))),
    ...logged
      .filter(({ defects }) => defects > 0)
      .map(({ identity, defects, at }) => ({ identity, reason: 'defect', changes: defects, at })),
    ...failures.map(({ identity, count, at }) => ({ identity, reason: 'failed', changes: count, at: new Date(at) })),
    ...pauses.map(({ identity, withheld, pausedAt, resumedAt }) => ({
      ...{ identity, reason: 'paused', changes: withheld, at: resumedAt ?? pausedAt },
    })),
  ]
}
