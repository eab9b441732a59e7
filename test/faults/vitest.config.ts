import { defineConfig } from 'vitest/config'
import { common } from '../vitest.config.ts'

/** Slow tests, in which processes are killed, stopped and disconnected. */
export default defineConfig({
  test: {
    ...common,
    include: ['test/faults/**/*.fault.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    reporters: ['default', './test/helpers/count-reporter.ts'],
    maxWorkers: 1,
    testTimeout: 120_000,
  },
})
