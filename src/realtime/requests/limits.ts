/** Limits for requests of clients. The response to a request that exceeds a limit names the limit. */
export interface Limits {
  /** Bytes of one client message, or of the body of one HTTP request. @default 1_000_000 */
  readonly payloadBytes: number
  /** Nesting depth of objects and lists in a request. @default 20 */
  readonly depth: number
  /**
   * Values in one request, including nested ones. Over a socket, each 500 values count as another request; a connection that
   * sends 200,000 at once is closed. @default 5_000
   */
  readonly values: number
  /** Characters of the data of one GET over a socket, which becomes part of its URL. @default 100_000 */
  readonly queryLength: number
  /** Records in one response. @default 200 */
  readonly pageSize: number
  /** Conditions in one query, including those that contain others. @default 500 */
  readonly conditions: number
  /** Values in the lists of one query, or ids in one `replace`. @default 1_000 */
  readonly listLength: number
  /** Characters in a pattern of `contains`, `startsWith`, `endsWith` or `like`. @default 1_000 */
  readonly patternLength: number
  /** Rooms per socket. @default 5_000 */
  readonly roomsPerSocket: number
  /** Requests of one socket per second, on average. @default 50 */
  readonly requestsPerSecond: number
  /** Requests of one socket at once, above the average. @default 100 */
  readonly burst: number
  /** Pending requests of one socket. @default 100 */
  readonly pendingRequests: number
  /** Bytes of one connection per second, on average, with bursts of ten messages of full size. Above this it is closed. @default 1_000_000 */
  readonly bytesPerSecond: number
  /** Packets of one connection per second, on average, with bursts of twice as many. Above this it is closed. @default 500 */
  readonly packetsPerSecond: number
}

export const DEFAULT_LIMITS: Limits = {
  payloadBytes: 1_000_000,
  depth: 20,
  values: 5_000,
  queryLength: 100_000,
  pageSize: 200,
  conditions: 500,
  listLength: 1_000,
  patternLength: 1_000,
  roomsPerSocket: 5_000,
  requestsPerSecond: 50,
  burst: 100,
  pendingRequests: 100,
  bytesPerSecond: 1_000_000,
  packetsPerSecond: 500,
}

/** A token bucket of size `burst`, refilled at `perSecond`. */
export function rateLimit({ perSecond, burst }: Rate, now: () => number = () => performance.now()) {
  let tokens = burst
  let at = now()
  return {
    /** Takes `count` tokens if available; returns whether they were. */
    allows(count = 1): boolean {
      const passed = now() - at
      at += passed
      tokens = Math.min(burst, tokens + (passed / 1000) * perSecond)
      if (tokens < count) return false
      tokens -= count
      return true
    },
  }
}

export interface Rate {
  readonly perSecond: number
  readonly burst: number
}
