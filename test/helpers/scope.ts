import { onTestFinished } from 'vitest'

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

/** Closes everything that ends with the file, even where closing one fails. Throws the first error. */
export async function closeFile() {
  const errors: unknown[] = []
  for (const close of atEndOfFile.splice(0).reverse()) {
    try {
      await close()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
