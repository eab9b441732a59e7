import type { Logger } from '../../logger.ts'

/** Node's way of saying that something is done, or went wrong. */
export type Done = (error?: Error) => void

/**
 * Answers in both of the ways in which these functions may be called. With a callback the error goes there and the
 * promise is fulfilled; without one the promise rejects, and a caller that ignores it finds the error in the log.
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
