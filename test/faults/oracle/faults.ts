import { setTimeout as sleep } from 'node:timers/promises'
import type { TestDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import type { Proxy as DatabaseProxy } from '../../helpers/proxy.ts'
import type { Random } from '../../helpers/random.ts'
import { type Cluster, type Node, startNode } from './cluster.ts'
import { failOver, fillDisk, replaceByCopy } from './server-faults.ts'

/** A fault, from its start to its repair. */
export interface Fault {
  readonly name: string
  /** Whether it applies to this kind of cluster. */
  fits(cluster: Cluster): boolean
  /** Changes or ticks are lost or left out, so a gap is not needless. */
  readonly mayDeclareGap?: true
  /** Once in a run: all that was written before is published again. */
  readonly once?: true
  inject(cluster: Cluster, random: Random): Promise<void>
}

const always = () => true
const hasNodes = ({ nodes }: Cluster) => nodes.length > 0
/** pg_backup_start() has another name before PostgreSQL 15. */
const hasBackups = ({ server }: Cluster) => Number.parseInt(server.version, 10) >= 15

export const FAULTS: readonly Fault[] = [
  { name: 'SIGKILL of the leader', fits: hasNodes, inject: cluster => kill(cluster, 'leader') },
  { name: 'SIGKILL of a standby', fits: hasNodes, inject: cluster => kill(cluster, 'standby') },
  { name: 'SIGSTOP of the leader for a moment', fits: hasNodes, inject: cluster => halt(cluster, 'leader', 500) },
  {
    name: 'SIGSTOP of the leader beyond its lease',
    fits: hasNodes,
    inject: cluster => halt(cluster, 'leader', 13_000),
  },
  { name: 'SIGSTOP of a standby', fits: hasNodes, inject: cluster => halt(cluster, 'standby', 4_000) },
  {
    name: 'backends of the feed terminated',
    fits: always,
    inject: cluster => terminate(cluster, 'waterline-changefeed%'),
  },
  { name: 'backends of writers terminated', fits: always, inject: cluster => terminate(cluster, 'oracle writer') },
  { name: 'fast restart of Postgres', fits: always, inject: ({ server }) => server.restart('fast') },
  {
    name: 'immediate restart of Postgres',
    fits: always,
    mayDeclareGap: true,
    inject: ({ server }) => server.restart('immediate'),
  },
  { name: 'full disk', fits: ({ disk }) => disk !== undefined, mayDeclareGap: true, inject: fillDisk },
  { name: 'failover to a promoted standby', fits: hasBackups, mayDeclareGap: true, inject: failOver },
  { name: 'restore into another database', fits: always, mayDeclareGap: true, once: true, inject: replaceByCopy },
  { name: 'capture disabled for a while', fits: always, mayDeclareGap: true, inject: disableCapture },
  { name: 'half-open network', fits: always, inject: cutOff },
  { name: 'Redis down', fits: ({ redis }) => redis !== undefined, inject: loseRedis },
  { name: 'pause and resume', fits: always, mayDeclareGap: true, inject: pauseAndResume },
]

export type Selection = 'all' | 'without loss' | 'none'

/** The faults of a run, in an order that follows from the random choices: each once, then each once again. */
export function* schedule(cluster: Cluster, selection: Selection, random: Random): Generator<Fault, void> {
  const selected = FAULTS.filter(({ mayDeclareGap }) => selection === 'all' || (selection !== 'none' && !mayDeclareGap))
  for (const { name } of selected.filter(fault => !fault.fits(cluster))) console.log(`left out here: ${name}`)
  const fitting = selected.filter(fault => fault.fits(cluster))
  for (let round = 1; fitting.length > 0; round++) {
    const rest = fitting.filter(({ once }) => round === 1 || !once)
    while (rest.length > 0) yield* rest.splice(random.below(rest.length), 1)
  }
}

async function nodeOf(cluster: Cluster, role: 'leader' | 'standby'): Promise<Node> {
  const [row] = await query<{ pid: number }>(
    cluster.database,
    `select pid from changefeed.node where role = 'leader' order by seen_at desc limit 1`,
  )
  const nodes = cluster.nodes as [Node, Node]
  const isFirst = nodes[0].program.pid === row?.pid
  return nodes[isFirst === (role === 'leader') ? 0 : 1]
}

async function kill(cluster: Cluster, role: 'leader' | 'standby') {
  const node = await nodeOf(cluster, role)
  node.program.kill('SIGKILL')
  await node.program.ended
  node.program = await startNode(node.desk)
}

async function halt(cluster: Cluster, role: 'leader' | 'standby', ms: number) {
  const { program } = await nodeOf(cluster, role)
  program.kill('SIGSTOP')
  await sleep(ms)
  program.kill('SIGCONT')
}

async function terminate({ database }: Cluster, application: string) {
  await query(database, TERMINATE, [application])
}

const TERMINATE =
  'select pg_terminate_backend(pid) from pg_stat_activity where application_name like $1 and pid <> pg_backend_pid()'

/** Also while the server recovers from the fault before. */
const query = <Row extends Record<string, unknown>>(database: TestDatabase, sql: string, params: unknown[] = []) =>
  eventually(() => database.query<Row>(sql, params), { withinMs: 30_000, everyMs: 100 })

async function cutOff({ nodes, proxies }: Cluster, random: Random) {
  const proxy = random.of<DatabaseProxy>([...nodes.map(node => node.proxy), ...proxies])
  proxy.freeze()
  await sleep(random.of([300, 3_000, 13_000]))
  proxy.heal()
}

async function loseRedis({ redis }: Cluster, random: Random) {
  await redis?.stop()
  await sleep(random.of([100, 1_500]))
  await redis?.start()
}

/** Installing puts the triggers back, and logs the gap. */
async function disableCapture({ database, desk }: Cluster, random: Random) {
  const table = random.of(['pet', '"user"', '"group"', 'club', 'sample'])
  const triggers = await query<{ tgname: string }>(
    database,
    `select tgname from pg_trigger join pg_proc on pg_proc.oid = tgfoid
     where tgrelid = $1::regclass and pronamespace = 'changefeed'::regnamespace`,
    [table],
  )
  const disabled = triggers.map(({ tgname }) => `disable trigger "${tgname}"`).join(', ')
  await query(database, `alter table ${table} ${disabled}`)
  await sleep(random.of([200, 3_000]))
  await eventually(
    async () => {
      const { code } = await desk.run('install').ended
      if (code !== 0) throw new Error(`install ended with ${code}`)
    },
    { withinMs: 60_000 },
  )
}

async function pauseAndResume({ desk, models }: Cluster, random: Random) {
  const identity = random.of([...models.values()].filter(({ junction }) => !junction)).identity
  for (const command of ['pause', 'resume']) {
    await eventually(async () => {
      const { code } = await desk.run(command, identity).ended
      if (code !== 0) throw new Error(`${command} ${identity} ended with ${code}`)
    })
    await sleep(500)
  }
}
