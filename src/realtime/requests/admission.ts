import type { IncomingMessage } from 'node:http'
import type { Logger } from '../../logger.ts'

/** Lets a connection in, or not. Called with the handshake request; answers by the callback, as engine.io has it. */
export type BeforeConnect = (
  handshake: IncomingMessage,
  proceed: (error: Error | string | null | undefined, allow?: boolean) => void,
) => unknown

export interface AdmissionOptions {
  /** Decides alone where it is set. */
  readonly beforeConnect: BeforeConnect | undefined
  /** Origins of the pages that may connect, such as `https://example.com`; a connection without an origin may not. */
  readonly onlyAllowOrigins: readonly string[] | undefined
}

type AllowRequest = (req: IncomingMessage, answer: (error: string | null | undefined, success: boolean) => void) => void

/** Who may connect, where the app says so itself: asked at the handshake, after what the {@link RequestGuard} asks of every request. */
export function admission(options: AdmissionOptions, logger: Logger): AllowRequest {
  const { beforeConnect, onlyAllowOrigins } = options
  return (req, answer) => {
    const finish = (error: Error | string | null | undefined, allow = false) => {
      if (!allow) logger.debug('A socket was not let in', { origin: req.headers.origin, error })
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

/** Whether it throws or rejects, the connection is refused. */
function callSafely(call: () => unknown, proceed: (error: Error) => void) {
  const fail = (error: unknown) => proceed(error instanceof Error ? error : new Error(String(error)))
  try {
    Promise.resolve(call()).catch(fail)
  } catch (error) {
    fail(error)
  }
}
