import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import ioClient from 'socket.io-client-4'
import { expect } from 'vitest'
import { createChangefeed } from '../../src/changefeed.ts'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { eventually } from '../helpers/eventually.ts'
import { freePort } from '../helpers/port.ts'
import { startCode, type TestProgram } from '../helpers/program.ts'
import { afterScope } from '../helpers/scope.ts'
import { startWaterline } from '../helpers/waterline.ts'
import { listeners, returning, server, TOPICS, TOPICS_PER_CLIENT } from './catch-up-programs.ts'
import { bench } from './report/bench.ts'
import { figuresOf, median, percentile } from './report/figure.ts'
import { IS_SHORT } from './report/size.ts'

/** `CHANGEFEED_CLIENTS=1000` for a machine that others use. */
const CLIENTS = Number(process.env.CHANGEFEED_CLIENTS ?? 5_000)
const PROCESSES = 4
const WITHIN_MS = 2_000
const LISTENERS = 100
const ROUNDS = 3
/** Versions of each topic that the clients have, missed while the first server ran, and missed while none ran. */
const [KNOWN, BEFORE_RESTART, WHILE_DOWN] = [1, 3, 2]
const MISSED = TOPICS_PER_CLIENT * (BEFORE_RESTART + WHILE_DOWN)
const TICKER_MS = 50
const PATIENCE_MS = 120_000

interface Stats {
  readonly delayMs: number
  readonly cpuMs: number
  readonly memoryMb: number
  readonly statements: number
}

interface Client {
  /** From its connection to `caughtUp`, and from its request to `caughtUp`, in ms. */
  readonly took: number
  readonly waited: number | null
  readonly gaps: number
  readonly versions: readonly (readonly number[])[]
}

/**
 * Bars: on two idle cores all clients are back within 10 s, and live messages to others are late by at most 100 ms (p99). The
 * clients, Postgres and the server share the cores, so compare with clients that only connect and subscribe.
 */
bench.skipIf(IS_SHORT)(`${CLIENTS} clients return after a restart`, async ({ report }) => {
  const scene = await openScene()
  const results: Result[] = []
  for (let round = 0; round < ROUNDS; round++) results.push(await stampede(scene, { catchUp: true }))
  const alone = await stampede(scene, { catchUp: false })
  const row = (unit: string, at: string, pick: (result: Result) => number) =>
    figuresOf(unit, at, { 'only connecting': [pick(alone)], 'catching up': results.map(pick) })
  const figures = [
    ...row('s', 'all back', each => each.lastMs / 1000),
    ...row('s', 'one client, median', each => each.medianMs / 1000),
    ...row('s', 'of it for catching up', each => each.waitedMs / 1000),
    ...row('ms', 'live p50, idle', each => each.idle.p50),
    ...row('ms', 'live p50', each => each.busy.p50),
    ...row('ms', 'live p99, idle', each => each.idle.p99),
    ...row('ms', 'live p99', each => each.busy.p99),
    ...row('ms', 'delay of the event loop', each => each.stats.delayMs),
    ...row('s', 'processor time', each => each.stats.cpuMs / 1000),
    ...row('MB', 'memory, idle', each => each.before.memoryMb),
    ...row('MB', 'memory', each => each.stats.memoryMb),
    ...row('statements', 'to Postgres', each => each.stats.statements),
  ]
  const missed = `Each client misses ${MISSED} messages; all return within ${WITHIN_MS / 1000} s.`
  report({ title: `${CLIENTS} clients return after a restart`, figures, notes: [missed] })
})

type Result = Awaited<ReturnType<typeof stampede>>

async function openScene() {
  const postgres = await startEmbeddedPostgres()
  afterScope(() => postgres.stop('immediate'))
  const { connectionString } = postgres
  const { collections } = await startWaterline({
    connectionString,
    models: {
      topic: { attributes: { title: { type: 'string' }, version: { type: 'number' } } },
      ticker: { attributes: { at: { type: 'string' } } },
    },
    migrate: 'drop',
  })
  await createChangefeed({ connectionString, collections }).install()
  const writer = new pg.Client(connectionString)
  await writer.connect()
  afterScope(() => writer.end())
  await writer.query(`
    insert into ticker (id, at) values (1, '0');
    insert into topic (id, title, version) select n, 'topic ' || n, 0 from generate_series(1, ${TOPICS + 1}) as n`)
  return { connectionString, writer, port: await freePort() }
}

type Scene = Awaited<ReturnType<typeof openScene>>

async function startServer({ connectionString, port }: Scene): Promise<TestProgram> {
  const program = startCode(server(), { URL: connectionString, PORT: String(port) })
  await program.line(/^listening/, PATIENCE_MS)
  return program
}

async function stop(program: TestProgram) {
  program.kill('SIGTERM')
  await program.ended
}

/** Each topic in a transaction of its own. */
async function writeVersion({ writer }: Scene, version: number) {
  await writer.query(`
    do $$ begin
      for n in 1..${TOPICS} loop
        update topic set version = ${version} where id = n;
        commit;
      end loop;
    end $$`)
}

/** Cursors of messages that are older than all that the clients miss. */
async function cursorsOf({ writer, port }: Scene): Promise<string[]> {
  const cursors: string[] = []
  const query = { __sails_io_sdk_version: '1.2.1' }
  const socket = ioClient(`http://127.0.0.1:${port}`, { transports: ['websocket'], query })
  socket.on('topic', (_payload, { cursor }) => void cursors.push(cursor))
  await new Promise(resolve => socket.emit('get', { method: 'get', url: `/mine?ids=${TOPICS + 1}` }, resolve))
  for (let n = 0; n < 200; n++) await writer.query(`update topic set title = 'topic ${n}' where id = ${TOPICS + 1}`)
  await eventually(() => expect(cursors).toHaveLength(200))
  socket.close()
  return cursors
}

/** A restart, with live messages all the time, and the clients that come back after it. */
async function stampede(scene: Scene, { catchUp }: { readonly catchUp: boolean }) {
  const first = await startServer(scene)
  await writeVersion(scene, KNOWN)
  const cursors = await cursorsOf(scene)
  const last = KNOWN + BEFORE_RESTART + WHILE_DOWN
  for (let version = KNOWN + 1; version <= KNOWN + BEFORE_RESTART; version++) await writeVersion(scene, version)
  await stop(first)
  for (let version = KNOWN + BEFORE_RESTART + 1; version <= last; version++) await writeVersion(scene, version)
  const second = await startServer(scene)
  const env = { PORT: String(scene.port) }
  const audience = startCode(listeners(LISTENERS), env)
  await audience.line(/^ready/)
  const ticker = tick(scene)
  await sleep(1_000)
  await latencies(audience, ticker)
  await sleep(3_000)
  const idle = await latencies(audience, ticker)
  const before = await statsOf(scene)
  const count = CLIENTS / PROCESSES
  const crowds = Array.from({ length: PROCESSES }, (_, place) =>
    startCode(
      returning({ first: place * count, count, withinMs: WITHIN_MS, cursors, catchUp, lastVersion: last + 1 }),
      env,
    ),
  )
  await Promise.all(crowds.map(crowd => crowd.line(/^complete/, PATIENCE_MS)))
  const busy = await latencies(audience, ticker)
  const stats = await statsOf(scene)
  await writeVersion(scene, last + 1)
  await Promise.all(crowds.map(crowd => crowd.line(/^current/, PATIENCE_MS)))
  const clients = (await Promise.all(crowds.map(clientsOf))).flat()
  await ticker.stop()
  for (const program of [...crowds, audience]) program.kill('SIGKILL')
  await stop(second)
  if (catchUp) assertComplete(clients, { first: KNOWN + 1, last: last + 1 })
  const times = clients.map(({ took }) => took).sort((a, b) => a - b)
  const waitedMs = median(clients.map(({ waited }) => waited ?? 0))
  return { lastMs: times.at(-1) ?? Number.NaN, medianMs: percentile(times, 0.5), waitedMs, idle, busy, before, stats }
}

/** Every client has each version once, in order. */
function assertComplete(clients: readonly Client[], { first, last }: { first: number; last: number }) {
  expect(clients).toHaveLength(CLIENTS)
  expect(clients.filter(({ gaps }) => gaps > 0)).toHaveLength(0)
  const expected = JSON.stringify(Array.from({ length: last - first + 1 }, (_, place) => first + place))
  const wrong = clients.flatMap(({ versions }) => versions.filter(each => JSON.stringify(each) !== expected))
  expect(wrong.map(each => JSON.stringify(each)).slice(0, 5)).toEqual([])
}

function tick({ connectionString }: Scene) {
  /** When the writer knew of the commit, by `at`. */
  const committed = new Map<string, number>()
  let stopped = false
  const run = async () => {
    const client = new pg.Client(connectionString)
    await client.connect()
    while (!stopped) {
      const at = String(Date.now())
      await client.query('update ticker set at = $1', [at])
      committed.set(at, Date.now())
      await sleep(TICKER_MS)
    }
    await client.end()
  }
  const running = run()
  const stop = async () => {
    stopped = true
    await running
  }
  afterScope(stop)
  return { stop, committed }
}

type Ticker = ReturnType<typeof tick>

/** From the commit to the socket, since the last call. */
async function latencies(audience: TestProgram, { committed }: Ticker) {
  audience.kill('SIGUSR2')
  const arrivals = JSON.parse((await audience.line(/^arrivals /)).slice(9)) as [at: string, arrivedAt: number][]
  const times = arrivals.map(([at, arrivedAt]) => Math.max(0, arrivedAt - (committed.get(at) ?? arrivedAt)))
  times.sort((a, b) => a - b)
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) }
}

async function clientsOf(crowd: TestProgram): Promise<Client[]> {
  crowd.kill('SIGUSR2')
  return JSON.parse((await crowd.line(/^clients /)).slice(8)) as Client[]
}

const statsOf = async ({ port }: Scene) => (await (await fetch(`http://127.0.0.1:${port}/stats`)).json()) as Stats
