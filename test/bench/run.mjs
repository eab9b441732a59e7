// npm run bench -- --short latency write
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  options: { short: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/bench/vitest.config.ts', ...positionals]
const env = { ...process.env, BENCH_SHORT: values.short ? '1' : '0' }
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env })
process.exitCode = status ?? 1
