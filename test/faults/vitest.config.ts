import { defineConfig } from 'vitest/config'
import shared from '../vitest.config.ts'

/** What takes its time: processes that are killed, stopped and cut off. */
export default defineConfig({
  test: { ...shared.test, include: ['test/faults/**/*.fault.ts'], maxWorkers: 1, testTimeout: 120_000 },
})
