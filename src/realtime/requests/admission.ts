import type { IncomingMessage } from 'node:http'
import type { Logger } from '../../logger.ts'

/** Decides whether a client may connect. Called with the handshake request and engine.io's callback. */
export type BeforeConnect = (
  handshake: IncomingMessage,
  proceed: (error: Error | string | null | undefined, allow?: boolean) => void,
) => unknown

export interface AdmissionOptions {
  /** If set, `onlyAllowOrigins` is ignored. */
  readonly beforeConnect: BeforeConnect | undefined
  /** Origins of the pages that may connect, such as `https://example.com`. Connections without an origin are rejected. */
  readonly onlyAllowOrigins: readonly string[] | undefined
}

type AllowRequest = (req: IncomingMessage, answer: (error: string | null | undefined, success: boolean) => void) => void

/** Applies the app's own rules for connections at the handshake, after the {@link RequestGuard} has checked the request. */
export function admission(options: AdmissionOptions, logger: Logger): AllowRequest {
  const { beforeConnect, onlyAllowOrigins } = options
  return (req, answer) => {
    const finish = (error: Error | string | null | undefined, allow = false) => {
      if (!allow) logger.debug('Rejected a socket connection', { origin: req.headers.origin, error })
      answer(error ? String(error instanceof Error ? error.message : error) : null, allow && !error)
    }
    if (!beforeConnect) return finish(null, onlyAllowOrigins?.includes(req.headers.origin ?? ''))
    const proceed = once(finish)
    callSafely(() => beforeConnect(req, proceed), proceed)
  }
}

function once(finish: (error: Error | string | null | undefined, allow?: boolean) => void): typeof finish {
  let isDone = false
  return (error, allow) => {
    if (isDone) return
    isDone = true
    finish(error, allow)
  }
}

/** If the app's function throws or rejects, the connection is rejected. */
function callSafely(call: () => unknown, proceed: (error: Error) => void) {
  const fail = (error: unknown) => proceed(error instanceof Error ? error : new Error(String(error)))
  try {
    Promise.resolve(call()).catch(fail)
  } catch (error) {
    fail(error)
  }
}
