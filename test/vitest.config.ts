import { fileURLToPath } from 'node:url'
import { defineConfig, type TestUserConfig } from 'vitest/config'
import { SlowFirst } from './helpers/slow-first.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What every project of ours has. */
export const common: TestUserConfig = {
  root,
  setupFiles: ['test/helpers/end-of-file.ts'],
  // Processes, not threads: Waterline and sails.io.js keep state per process.
  pool: 'forks',
  testTimeout: 30_000,
  // CI machines are shared. A test that passes the second time is marked in the output: look into it.
  retry: process.env.CI ? 1 : 0,
  hookTimeout: 60_000,
  // What is built runs as it is.
  server: { deps: { external: [/\/dist\/src\//] } },
}

/** They measure the memory or the event loop of their process, or catch what nobody else in it does. */
const ALONE = ['test/**/{bulk,event-loop,fuzz}.test.ts']

export default defineConfig({
  test: {
    root,
    globalSetup: ['test/helpers/global-setup.ts'],
    reporters: ['default', './test/helpers/count-reporter.ts'],
    // More than the two cores of a small CI machine, as tests also wait: for timers, sockets and processes.
    maxWorkers: 3,
    sequence: { sequencer: SlowFirst },
    projects: [
      { test: { ...common, name: 'alone', include: ALONE } },
      // Loading the packages takes longer than most files do, so each process runs one file after another.
      // The tests of capture once more, with triggers for statements in place of those for rows.
      {
        test: {
          ...common,
          name: 'statement',
          include: ['test/integration/capture/*.test.ts'],
          exclude: ['test/integration/capture/statement.test.ts'], // sets the mode by itself
          isolate: false,
          env: { TEST_CAPTURE: 'statement' },
        },
      },
      { test: { ...common, name: 'shared', include: ['test/**/*.test.ts'], exclude: ALONE, isolate: false } },
    ],
  },
})
