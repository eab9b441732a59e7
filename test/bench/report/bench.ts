import { test } from 'vitest'
import type { Measurement } from './figure.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** Added by {@link bench}, read by `markdown-reporter.ts`. */
    measurements?: Measurement[]
  }
}

/** A test that adds its figures to the report. */
export const bench = test.extend<{ report: (measurement: Measurement) => void }>({
  report: async ({ task }, use) => {
    const measurements: Measurement[] = []
    task.meta.measurements = measurements
    await use(measurement => void measurements.push(measurement))
  },
})
