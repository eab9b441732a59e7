import { defineConfig } from 'vitest/config'
import { common } from '../vitest.config.ts'

/** One long run of a server whose clients come and go. */
export default defineConfig({
  test: {
    ...common,
    include: ['test/soak/*.soak.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    reporters: ['default', './test/helpers/count-reporter.ts'],
    testTimeout: 0,
    retry: 0,
    disableConsoleIntercept: true,
  },
})
