import { expect } from 'vitest'
import { startCode } from '../helpers/program.ts'
import { bareServer, clients, feedServer, prober } from './dispatch-programs.ts'
import { askServer, openPetShop, portOf, type ServerStats, updatesOfOnePet } from './dispatch-scene.ts'
import { bench } from './report/bench.ts'
import { figuresOf, median, percentile } from './report/figure.ts'
import { IS_SHORT } from './report/size.ts'

const ROUNDS = 3
const CHANGES = 400
const SOCKETS = 1_500
const MANY_CHANGES = 100_000
const FEW_SOCKETS = 20
const PATIENCE_MS = 600_000

/** What a burst of changes costs the process that serves the sockets, until each socket has all of it. */
async function burst(program: string, url: string, write: (port: string) => Promise<unknown>): Promise<ServerStats> {
  const server = startCode(program, { URL: url })
  const port = await portOf(server)
  const crowd = startCode(clients(port, SOCKETS, CHANGES))
  await crowd.line(/^connected/, PATIENCE_MS)
  await askServer(port, '/stats')
  await write(port)
  await crowd.line(/^complete/, PATIENCE_MS)
  const stats = (await askServer(port, '/stats')) as ServerStats
  for (const each of [crowd, server]) each.kill('SIGTERM')
  await Promise.all([crowd.ended, server.ended])
  return stats
}

bench.skipIf(IS_SHORT)(`${CHANGES} changes of a record to ${SOCKETS} sockets`, async ({ report }) => {
  const { writer, connectionString } = await openPetShop()
  const bare: ServerStats[] = []
  const feed: ServerStats[] = []
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await burst(bareServer(CHANGES), '', port => askServer(port, '/burst')))
    feed.push(await burst(feedServer, connectionString, () => writer.query(updatesOfOnePet(CHANGES))))
  }
  const samples = (pick: (stats: ServerStats) => number) => ({
    'bare socket.io': bare.map(pick),
    'the feed': feed.map(pick),
  })
  const figures = [
    ...figuresOf(
      'ms',
      'delay of the event loop',
      samples(({ delayMs }) => delayMs),
    ),
    ...figuresOf(
      'ms',
      'processor time',
      samples(({ cpuMs }) => cpuMs),
    ),
    ...figuresOf(
      'MB',
      'most memory',
      samples(({ memoryMb }) => memoryMb),
    ),
  ]
  report({ title: `A burst of ${CHANGES} changes to ${SOCKETS} sockets`, figures })
  expect(median(feed.map(({ delayMs }) => delayMs))).toBeLessThan(200)
})

/** How long small requests to the process took while `work` was done. */
async function requestTimes(port: string, work: () => Promise<unknown>): Promise<number[]> {
  const program = startCode(prober(port))
  await program.line(/^asking/)
  await work()
  program.kill('SIGTERM')
  const times = JSON.parse((await program.line(/^times /)).slice(6)) as number[]
  return times.sort((a, b) => a - b)
}

bench.skipIf(IS_SHORT)(`a small HTTP request while ${MANY_CHANGES} changes are published`, async ({ report }) => {
  const { writer, connectionString } = await openPetShop()
  const server = startCode(feedServer, { URL: connectionString })
  const port = await portOf(server)
  const crowd = startCode(clients(port, FEW_SOCKETS, MANY_CHANGES))
  await crowd.line(/^connected/)
  const idle = await requestTimes(port, () => new Promise(resolve => setTimeout(resolve, 5_000)))
  const busy = await requestTimes(port, async () => {
    await writer.query(updatesOfOnePet(MANY_CHANGES))
    await crowd.line(/^complete/, PATIENCE_MS)
  })
  const at = (share: number) =>
    figuresOf('ms', `p${share * 100}`, { idle: [percentile(idle, share)], publishing: [percentile(busy, share)] })
  report({ title: 'A small HTTP request to the process that publishes', figures: [...at(0.5), ...at(0.99)] })
  expect(percentile(busy, 0.99) - percentile(idle, 0.99)).toBeLessThan(25)
})
