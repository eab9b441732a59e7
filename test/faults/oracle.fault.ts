import { expect, test } from 'vitest'
import { type Cluster, openLocalCluster, openRedisCluster } from './oracle/cluster.ts'
import { type Outcome, type RunOptions, runOracle } from './oracle/run.ts'

/** `npm run faults -- --seed 7 --minutes 10` sets them. */
const seed = Number(process.env.FAULTS_SEED ?? 1)
const minutes = Number(process.env.FAULTS_MINUTES ?? 0.5)
const timeout = minutes * 60_000 + 600_000

const clusters: [string, () => Promise<Cluster>][] = [
  ['redis', openRedisCluster],
  ['local', openLocalCluster],
]

async function run(name: string, open: () => Promise<Cluster>, options: Pick<RunOptions, 'faults' | 'seconds'>) {
  try {
    const outcome = await runOracle(await open(), name, { seed, ...options })
    console.log(`${name}, seed ${seed}: ${JSON.stringify(outcome, null, 2)}`)
    return outcome
  } catch (error) {
    throw new Error(`${name}: repeat it with npm run faults -- --seed ${seed} --minutes ${minutes}`, { cause: error })
  }
}

const unexpected = ({ gaps }: Outcome) =>
  Object.entries(gaps).filter(([reason]) => !['truncate', 'bulk'].includes(reason))

test.each(clusters)(
  'without faults every copy equals the tables, once and without a gap: %s',
  { timeout },
  async (name, open) => {
    const outcome = await run(name, open, { faults: 'none', seconds: Math.min(20, minutes * 60) })
    expect(outcome.violations).toEqual([])
    expect(unexpected(outcome)).toEqual([])
    expect(outcome.repeats).toBe(0)
  },
)

test.each(clusters)(
  'with faults every copy equals the tables, in order and without a hole: %s',
  { timeout },
  async (name, open) => {
    const outcome = await run(name, open, { faults: 'all', seconds: minutes * 60 })
    expect(outcome.violations).toEqual([])
  },
)

test.each(clusters)('with faults that lose nothing, no gap is declared: %s', { timeout }, async (name, open) => {
  const outcome = await run(name, open, { faults: 'without loss', seconds: minutes * 60 })
  expect(outcome.violations).toEqual([])
  expect(unexpected(outcome)).toEqual([])
})
