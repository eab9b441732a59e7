import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { formatCursor } from '../../../src/change-log/cursor.ts'
import { comparable, readContents } from '../../helpers/contents.ts'
import { eventually } from '../../helpers/eventually.ts'
import { randomOf } from '../../helpers/random.ts'
import type { Cluster } from './cluster.ts'
import { ConsumerCopy } from './consumer-copy.ts'
import { type Selection, schedule } from './faults.ts'
import type { MessageLog } from './message-log.ts'
import { Trace } from './trace.ts'
import { Writer } from './writer.ts'

const WRITERS = 3
const SETTLE_MS = 120_000

export interface RunOptions {
  readonly seed: number
  readonly seconds: number
  readonly faults: Selection
}

export interface Outcome {
  readonly transactions: number
  readonly changes: number
  /** Sent or received again, all clients together. */
  readonly repeats: number
  /** By reason, all clients together. */
  readonly gaps: Readonly<Record<string, number>>
  readonly faults: readonly string[]
  readonly violations: readonly string[]
  /** Where the statements, faults and their times are. */
  readonly trace: string
}

interface Copy {
  readonly log: MessageLog
  readonly isReading: boolean
  readonly contents: string[]
}

/** Writes at random for a while, injects faults meanwhile, and then compares every copy with the tables. */
export async function runOracle(cluster: Cluster, name: string, options: RunOptions): Promise<Outcome> {
  const trace = new Trace(`${name}-${options.seed}`)
  const consumer = new ConsumerCopy(cluster.feed, cluster.models, cluster.database, options.seed)
  consumer.start({ breaks: options.faults !== 'none' })
  const faults: string[] = []
  try {
    await write(cluster, options, trace, faults)
    await expectCopies(cluster, consumer)
  } finally {
    trace.flush()
    await consumer.stop()
  }
  const logs = [...cluster.copies.map(copy => copy.log), consumer.log]
  return {
    ...(await totals(cluster, consumer)),
    repeats: logs.reduce((sum, log) => sum + log.repeats, 0),
    gaps: logs.flatMap(log => [...log.gaps]).reduce<Record<string, number>>(sumUp, {}),
    faults,
    trace: trace.path,
    violations: [...logs.flatMap(log => log.violations), ...(await missed(cluster, consumer))],
  }
}

async function write(cluster: Cluster, { seed, seconds, faults }: RunOptions, trace: Trace, injected: string[]) {
  const { connectionString } = cluster.database
  const writers = Array.from({ length: WRITERS }, (_, n) => new Writer(connectionString, seed, n + 1, trace))
  for (const writer of writers) writer.start()
  const until = Date.now() + seconds * 1_000
  const random = randomOf(seed * 1_000)
  for (const fault of schedule(cluster, faults, random)) {
    await sleep(500 + random.below(2_000))
    if (Date.now() >= until) break
    injected.push(fault.name)
    trace.add('fault', fault.name)
    await fault.inject(cluster, random)
    trace.add('fault', 'repaired')
  }
  await sleep(Math.max(0, until - Date.now()))
  for (const writer of writers) await writer.stop()
}

/** Once nothing is written any more, each copy ends on the content of the tables, and stays there. */
async function expectCopies(cluster: Cluster, consumer: ConsumerCopy) {
  const { database, models, copies } = cluster
  const expectSame = async () => {
    const expected = comparable(await readContents(database, models), models)
    for (const copy of [...copies, consumer]) {
      if (!copy.isReading && isDeepStrictEqual(copy.contents, expected)) continue
      throw new Error(await differences(cluster, copy, expected))
    }
  }
  await eventually(expectSame, { withinMs: SETTLE_MS, everyMs: 500 })
  // A last change of each model passes behind everything that may still be on its way.
  for (const { table, identity, junction } of models.values()) {
    if (!junction && identity !== 'visit') await eventually(() => database.query(last(table)), { everyMs: 200 })
  }
  await eventually(expectSame, { withinMs: SETTLE_MS, everyMs: 500 })
}

/** The records that differ, with what the copy heard of the first ones and what was logged of them. */
async function differences(cluster: Cluster, { contents, isReading, log }: Copy, expected: string[]) {
  const { database } = cluster
  const [missing, wrong] = [
    expected.filter(line => !contents.includes(line)),
    contents.filter(line => !expected.includes(line)),
  ]
  const records = new Set([...missing, ...wrong].map(line => line.split(' ').slice(0, 2).join(' ')))
  const details = [...records].slice(0, 3).map(async record => {
    const [identity = '', id] = record.split(' ')
    const logged = await database.query<{ text: string }>(
      `select concat_ws(' ', c.operation, c.xid, c.seq, c.nested, c.old, '->', c.new, c.at) as text
       from changefeed.change c join changefeed.captured_table t on t.id = c.table_id
       where t.identity = $1 and $2 in (c.old::json->>'id', c.new::json->>'id') order by c.at desc limit 6`,
      [identity, id],
    )
    return [
      `heard of ${record}:`,
      ...log.history(identity, Number(id)),
      'logged, the last first:',
      ...logged.map(row => row.text),
    ]
  })
  const summary = `${log.name} differs${isReading ? ' and is reading' : ''} in ${records.size} records, such as`
  const lines = [
    summary,
    ...missing.slice(0, 5).map(line => `- ${line}`),
    ...wrong.slice(0, 5).map(line => `+ ${line}`),
  ]
  return [...lines, ...(await Promise.all(details)).flat(), ...(await whereabouts(cluster))].join('\n  ')
}

/** How far each node is, and what the listeners logged last. */
async function whereabouts({ database, nodes, logged }: Cluster): Promise<string[]> {
  const rows = await database.query<{ text: string }>(
    `select 'node ' || n::text as text from (
       select pid, role, tick, clock_timestamp() - seen_at as seen, health from changefeed.node) as n
     union all select 'lease ' || l::text from changefeed.lease l
     union all select 'position ' || c::text from changefeed.consumer c
     union all select 'newest tick ' || max(id) from changefeed.tick`,
  )
  const printed = nodes.map(({ program }) => [`listener ${program.pid}:`, ...program.lines.slice(-12)])
  return [...rows.map(({ text }) => text), ...printed.flat(), ...logged.slice(-40)]
}

const last = (table: string) =>
  `insert into "${table}" as t (id, name, rev) values (99999, 'last', 1) on conflict (id) do update set rev = t.rev + 1`

async function totals({ database }: Cluster, { cursors }: ConsumerCopy) {
  const [row] = await database.query<{ n: number }>('select count(distinct xid)::int as n from changefeed.change')
  return { transactions: row?.n ?? 0, changes: cursors.size }
}

/** Logged changes that the consumer did not receive, and of whose model it received no gap. */
async function missed({ database }: Cluster, { cursors, gaps }: ConsumerCopy): Promise<string[]> {
  const rows = await database.query<{ seq: string; xid: string; identity: string }>(
    `select c.seq, c.xid::text, t.identity
     from changefeed.change c join changefeed.captured_table t on t.id = c.table_id where c.operation <> 'G'
     order by c.seq`,
  )
  const received = new Set([...cursors].map(cursor => cursor.split('.').slice(2).join('.')))
  const place = (seq: string, xid: string) =>
    formatCursor({ epoch: 0, tick: 0n, seq: BigInt(seq), xid: BigInt(xid) })
      .split('.')
      .slice(2)
      .join('.')
  const missing = rows.filter(({ seq, xid, identity }) => !gaps.has(identity) && !received.has(place(seq, xid)))
  const details = await database.query<{ text: string }>(
    `select concat_ws(' ', c.operation, c.xid, c.seq, c.nested, c.old, c.new, 'tick',
       (select min(k.id) from changefeed.tick k where pg_visible_in_snapshot(c.xid, k.snapshot))) as text
     from changefeed.change c where c.seq = any($1) order by c.seq`,
    [missing.slice(0, 5).map(({ seq }) => seq)],
  )
  return details.map(({ text }, n) => `consumer: never received a change of ${missing[n]?.identity}: ${text}`)
}

function sumUp(sums: Record<string, number>, [reason, count]: [string, number]) {
  sums[reason] = (sums[reason] ?? 0) + count
  return sums
}
