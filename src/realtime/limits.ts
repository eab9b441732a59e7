/** What a client may ask for at most. A request beyond a limit is answered with what the limit is. */
export interface Limits {
  /** Bytes of one message of a client, or of the body of one HTTP request. @default 1_000_000 */
  readonly payloadBytes: number
  /** Objects and lists within each other in a request. @default 20 */
  readonly depth: number
  /** Records in one answer. @default 200 */
  readonly pageSize: number
  /** Conditions in one query, also those that hold others. @default 500 */
  readonly conditions: number
  /** Values in the lists of one query, and ids in one `replace`. @default 1_000 */
  readonly listLength: number
  /** Rooms that one socket may be in. @default 5_000 */
  readonly roomsPerSocket: number
  /** Requests of one socket in a second, on average. @default 50 */
  readonly requestsPerSecond: number
  /** Requests of one socket at once, beyond the average. @default 100 */
  readonly burst: number
  /** Requests of one socket that wait for an answer. @default 100 */
  readonly pendingRequests: number
}

export const DEFAULT_LIMITS: Limits = {
  payloadBytes: 1_000_000,
  depth: 20,
  pageSize: 200,
  conditions: 500,
  listLength: 1_000,
  roomsPerSocket: 5_000,
  requestsPerSecond: 50,
  burst: 100,
  pendingRequests: 100,
}

/** Says whether one more request fits: a bucket of `burst` tokens that fills at `requestsPerSecond`. */
export function requestRate({ requestsPerSecond, burst }: Limits, now: () => number = () => performance.now()) {
  let tokens = burst
  let at = now()
  return {
    allows(): boolean {
      const passed = now() - at
      at += passed
      tokens = Math.min(burst, tokens + (passed / 1000) * requestsPerSecond)
      if (tokens < 1) return false
      tokens -= 1
      return true
    },
  }
}
