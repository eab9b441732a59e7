import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Logger } from '../../logger.ts'
import { Refusal } from './refusal.ts'
import type { RealtimeResponse } from './request.ts'

/** Adds the methods of {@link RealtimeResponse} to a response. */
export function withResponses(res: ServerResponse, logger: Logger): RealtimeResponse {
  const status = (code: number) => {
    res.statusCode = code
    return response
  }
  const end = (type: string, text: string) => {
    if (res.writableEnded) return logger.warn('Ignored a second response to a request')
    if (!res.headersSent && !res.hasHeader('content-type')) res.setHeader('content-type', `${type}; charset=utf-8`)
    res.end(text)
  }
  const json = (data: unknown) => end('application/json', JSON.stringify(data) ?? 'null')
  const send = (data?: unknown) => {
    if (data === undefined) return end('text/plain', '')
    return typeof data === 'string' ? end('text/plain', data) : json(data)
  }
  const reply = (code: number) => (data?: unknown) => {
    status(code)
    send(data === undefined || data instanceof Error ? STATUS_CODES[code] : data)
  }
  const set = (name: string, value: string) => {
    res.setHeader(name, value)
    return response
  }
  const serverError = (error?: unknown) => {
    logger.error('A request failed', { error })
    reply(500)()
  }
  const response = Object.assign(res, {
    ...{ json, send, set, status, serverError },
    ok: reply(200),
    badRequest: reply(400),
    forbidden: reply(403),
    notFound: reply(404),
  })
  return response
}

/** Responds with an error. Only a `Refusal` exposes its code and message. */
export function answerError(res: RealtimeResponse, error: unknown): void {
  if (error instanceof Refusal) res.status(error.status).json(error.body)
  else res.serverError(error)
}
