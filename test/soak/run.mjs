// npm run soak -- --minutes 60
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } })
const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/soak/vitest.config.ts']
const { status } = spawnSync(process.execPath, args, {
  stdio: 'inherit',
  env: { ...process.env, SOAK_MINUTES: values.minutes },
})
process.exitCode = status ?? 1
