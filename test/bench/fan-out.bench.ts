import { expect } from 'vitest'
import { startCode } from '../helpers/program.ts'
import { bareServer, clients, feedServer } from './dispatch-programs.ts'
import { askServer, openPetShop, portOf, type ServerStats, updatesOfOnePet } from './dispatch-scene.ts'
import { bench } from './report/bench.ts'
import { amountOf, type Figure, figuresOf } from './report/figure.ts'
import { IS_SHORT, sized } from './report/size.ts'

const ROUNDS = sized(3, 1)
const PATIENCE_MS = 600_000

/** Some 200,000 deliveries each; less with one socket. */
const FULL = [
  { sockets: 1, changes: 20_000 },
  { sockets: 100, changes: 2_000 },
  { sockets: 1_000, changes: 200 },
  { sockets: 5_000, changes: 40 },
]
const SHORT = [
  { sockets: 1, changes: 2_000 },
  { sockets: 1_000, changes: 50 },
]

interface FanOut {
  readonly perSecond: number
  readonly cpuUs: number
}

bench('fan-out to 1 to 5,000 sockets', async ({ report }) => {
  const { connectionString, writer } = await openPetShop()
  const figures: Figure[] = []
  for (const { sockets, changes } of IS_SHORT ? SHORT : FULL) {
    const measured: Record<string, FanOut[]> = { 'bare socket.io': [], feed: [] }
    for (let round = 0; round < ROUNDS; round++) {
      const bare = { program: bareServer(changes), url: '', sockets, changes }
      measured['bare socket.io']?.push(await fanOut(bare, port => askServer(port, '/burst')))
      const feed = { program: feedServer, url: connectionString, sockets, changes }
      measured.feed?.push(await fanOut(feed, () => writer.query(updatesOfOnePet(changes))))
    }
    const of = (pick: (each: FanOut) => number) =>
      Object.fromEntries(Object.entries(measured).map(([name, all]) => [name, all.map(pick)]))
    const at = sockets === 1 ? '1 socket' : `${sockets.toLocaleString('en-US')} sockets`
    figures.push(
      ...figuresOf(
        'deliveries/s',
        at,
        of(({ perSecond }) => perSecond),
      ),
    )
    figures.push(
      ...figuresOf(
        'us of the server/delivery',
        at,
        of(({ cpuUs }) => cpuUs),
      ),
    )
  }
  const notes = [
    'The clients share the machine. The feed reads the changes from Postgres; bare socket.io makes them up.',
  ]
  report({ title: 'Fan-out', figures, notes })
  const perDelivery = (subject: string) => amountOf(figures, subject, '1,000 sockets', 'us of the server/delivery')
  expect(perDelivery('feed') / perDelivery('bare socket.io')).toBeLessThan(10)
})

interface Burst {
  readonly program: string
  readonly url: string
  readonly sockets: number
  readonly changes: number
}

/** From the first write until each socket has every message. */
async function fanOut({ program, url, sockets, changes }: Burst, write: (port: string) => Promise<unknown>) {
  const server = startCode(program, { URL: url })
  const port = await portOf(server)
  const crowd = startCode(clients(port, sockets, changes))
  await crowd.line(/^connected/, PATIENCE_MS)
  await askServer(port, '/stats')
  const began = performance.now()
  const written = write(port)
  await crowd.line(/^complete/, PATIENCE_MS)
  const seconds = (performance.now() - began) / 1_000
  await written
  const { cpuMs } = (await askServer(port, '/stats')) as ServerStats
  for (const each of [crowd, server]) each.kill('SIGKILL')
  await Promise.all([crowd.ended, server.ended])
  const deliveries = sockets * changes
  return { perSecond: deliveries / seconds, cpuUs: (cpuMs * 1_000) / deliveries }
}
