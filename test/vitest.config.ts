import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    setupFiles: ['test/helpers/scope.ts'],
    reporters: ['default', './test/helpers/count-reporter.ts'],
    // Processes, not threads: Waterline and sails.io.js keep state per process.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    // CI machines are shared. A test that passes the second time is marked in the output: look into it.
    retry: process.env.CI ? 1 : 0,
    hookTimeout: 60_000,
  },
})
