import { afterAll, onTestFinished } from 'vitest'

const atEndOfFile: (() => unknown)[] = []

/**
 * Runs `close` when the test ends; outside a test (at the top of a file, in beforeAll) when the file ends. What was
 * opened last is closed first.
 */
export function afterScope(close: () => unknown) {
  try {
    onTestFinished(async () => void (await close()))
  } catch {
    atEndOfFile.push(close) // no test is running
  }
}

/** Runs `close` when the file ends, also if called inside a test. */
export function afterFile(close: () => unknown) {
  atEndOfFile.push(close)
}

// This file is a setup file too: its hook is the first of each test file, and so the last to run.
afterAll(async () => {
  for (const close of atEndOfFile.splice(0).reverse()) await close()
})
