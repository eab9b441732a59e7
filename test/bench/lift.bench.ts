import { fileURLToPath } from 'node:url'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { built, startCode } from '../helpers/program.ts'
import { afterScope } from '../helpers/scope.ts'
import { bench } from './report/bench.ts'
import { figuresOf } from './report/figure.ts'
import { IS_SHORT } from './report/size.ts'

const ROUNDS = 7
const APP = fileURLToPath(new URL('../integration/sails/app.cjs', import.meta.url))
const HOOK = fileURLToPath(built('sails/hook.cjs'))

/** 32 models that refer to each other, as a kanban has them. */
const definitions = Object.fromEntries(
  Array.from({ length: 32 }, (_, n) => [
    `card${n}`,
    {
      attributes: {
        name: { type: 'string' },
        ...(n > 0 && { board: { model: `card${n - 1}` } }),
        ...(n < 31 && { cards: { collection: `card${n + 1}`, via: 'board' } }),
      },
    },
  ]),
)

/** Lifts the app as its process does, then prints how long that took and the processor time of it, in ms. */
const lifting = `
  import { createRequire } from 'node:module'
  const options = JSON.parse(process.env.APP)
  const { lift } = createRequire(${JSON.stringify(APP)})(${JSON.stringify(APP)})
  const app = await lift(options)
  const { user, system } = process.cpuUsage()
  console.log('lifted ' + JSON.stringify({ ms: performance.now(), cpuMs: (user + system) / 1e3 }))
  process.exit()`

interface Lift {
  readonly ms: number
  readonly cpuMs: number
}

bench.skipIf(IS_SHORT)('what the hook adds to the lift of an app of 32 models', async ({ report }) => {
  const server = await startEmbeddedPostgres()
  afterScope(() => server.stop('immediate'))
  const lift = async (hook: boolean, migrate = 'safe'): Promise<Lift> => {
    const config = { definitions, models: { migrate } }
    const options = { url: server.connectionString, config, ...(hook && { hook: HOOK }) }
    const program = startCode(lifting, { APP: JSON.stringify(options) })
    const line = await program.line(/^lifted /, 60_000)
    await program.ended
    return JSON.parse(line.slice(7)) as Lift
  }
  await lift(true, 'drop') // installs capture
  const lifts: Record<string, Lift[]> = { 'without the hook': [], 'with the hook': [] }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, all] of Object.entries(lifts)) all.push(await lift(name === 'with the hook'))
  }
  const samples = (pick: (lift: Lift) => number) =>
    Object.fromEntries(Object.entries(lifts).map(([name, all]) => [name, all.map(pick)]))
  const figures = [
    ...figuresOf(
      'ms',
      'until lifted',
      samples(({ ms }) => ms),
    ),
    ...figuresOf(
      'ms',
      'processor time',
      samples(({ cpuMs }) => cpuMs),
    ),
  ]
  report({ title: 'Lift of a Sails app of 32 models', figures })
})
