import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Benches are programs, not tests: they print figures and take their time. One at a time, as they share the machine. */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['test/bench/*.bench.ts'],
    reporters: ['default', './test/bench/report/markdown-reporter.ts'],
    setupFiles: ['test/helpers/end-of-file.ts'],
    pool: 'forks',
    fileParallelism: false,
    // CI machines are shared.
    retry: process.env.CI ? 1 : 0,
    testTimeout: 0,
    hookTimeout: 0,
    disableConsoleIntercept: true,
  },
})
