import type { Logger } from '../../logger.ts'

/** A Node-style callback without a result. */
export type Done = (error?: Error) => void

/**
 * Supports callbacks and promises. With a callback, it receives the error and the promise is fulfilled. Without one, the
 * promise rejects, and the error is also logged in case the caller ignores the promise.
 */
export function settled<T>(
  work: Promise<T>,
  done: Done | undefined,
  logger: Logger,
  what: string,
): Promise<T | undefined> {
  if (typeof done !== 'function') {
    work.catch((error: unknown) => logger.error(`${what} failed`, { error }))
    return work
  }
  return work.then(
    value => {
      done()
      return value
    },
    (error: unknown) => {
      done(error instanceof Error ? error : new Error(String(error)))
      return undefined
    },
  )
}
