// npm run faults -- --seed 7 --minutes 10
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string', default: '1' },
    cluster: { type: 'string', default: '' },
  },
})
const seed = values.seed ?? String(Date.now() % 1_000_000)
console.log(`npm run faults -- --seed ${seed} --minutes ${values.minutes}`)
const { status } = spawnSync(
  process.execPath,
  [
    ...[
      'node_modules/vitest/vitest.mjs',
      'run',
      '--config',
      'test/faults/vitest.config.ts',
      'test/faults/oracle.fault.ts',
    ],
    ...(values.cluster ? ['-t', `: ${values.cluster}$`] : []),
  ],
  { stdio: 'inherit', env: { ...process.env, FAULTS_SEED: seed, FAULTS_MINUTES: values.minutes } },
)
process.exitCode = status ?? 1
