import type { Limits } from './limits.ts'

/**
 * Rejects a request with a status and a reason. The client receives the code and the message, which never contain those of
 * an underlying error.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly code: RefusalCode

  constructor(status: number, code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.code = code
  }

  get body(): { code: RefusalCode; message: string } {
    return { code: this.code, message: this.message }
  }
}

export type RefusalCode =
  | 'E_BAD_REQUEST' // the request is invalid
  | 'E_FORBIDDEN' // a policy denied it
  | 'E_NOT_FOUND' // there is no such record or route
  | 'E_CONFLICT' // a unique value is taken
  | 'E_TOO_LARGE' // a limit on size, depth, page or list
  | 'E_TOO_MANY_ROOMS' // the socket has reached its limit of rooms
  | 'E_UNAVAILABLE' // the feed does not run
  | 'E_TOO_MANY_REQUESTS' // faster than the limit

export const badRequest = (message: string) => new Refusal(400, 'E_BAD_REQUEST', message)
export const forbidden = () => new Refusal(403, 'E_FORBIDDEN', 'You are not allowed to do this.')
export const notFound = (what: string) => new Refusal(404, 'E_NOT_FOUND', `There is no such ${what}.`)
/** The message names the limit, so that the operator can raise it. */
export const tooLarge = (limit: keyof Limits, message: string) => new Refusal(413, 'E_TOO_LARGE', named(limit, message))
export const tooMany = (limit: keyof Limits, message: string) =>
  new Refusal(429, 'E_TOO_MANY_REQUESTS', named(limit, message))
export const tooManyRooms = (message: string) => new Refusal(403, 'E_TOO_MANY_ROOMS', named('roomsPerSocket', message))

const named = (limit: keyof Limits, message: string) => `${message} (limits.${limit})`
