/** What a client may ask for at most. A request beyond a limit is answered with what the limit is. */
export interface Limits {
  /** Bytes of one message of a client, or of the body of one HTTP request. @default 1_000_000 */
  readonly payloadBytes: number
  /** Objects and lists within each other in a request. @default 20 */
  readonly depth: number
  /**
   * Values in one request, those within its objects and lists included. Over a socket, each 500 of them count as one more
   * request; a connection that sends 200,000 at once is closed. @default 5_000
   */
  readonly values: number
  /** Characters of the data of one GET over a socket, which become its url. @default 100_000 */
  readonly queryLength: number
  /** Records in one answer. @default 200 */
  readonly pageSize: number
  /** Conditions in one query, also those that hold others. @default 500 */
  readonly conditions: number
  /** Values in the lists of one query, and ids in one `replace`. @default 1_000 */
  readonly listLength: number
  /** Characters that `contains`, `startsWith`, `endsWith` and `like` may look for. @default 1_000 */
  readonly patternLength: number
  /** Rooms that one socket may be in. @default 5_000 */
  readonly roomsPerSocket: number
  /** Requests of one socket in a second, on average. @default 50 */
  readonly requestsPerSecond: number
  /** Requests of one socket at once, beyond the average. @default 100 */
  readonly burst: number
  /** Requests of one socket that wait for an answer. @default 100 */
  readonly pendingRequests: number
  /** Bytes of one connection in a second, on average, and ten messages of full size at once. Beyond, it is closed. @default 1_000_000 */
  readonly bytesPerSecond: number
  /** Packets of one connection in a second, on average, and twice as many at once. Beyond, it is closed. @default 500 */
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

/** A bucket of `burst` tokens that fills at `perSecond`. */
export function rateLimit({ perSecond, burst }: Rate, now: () => number = () => performance.now()) {
  let tokens = burst
  let at = now()
  return {
    /** Whether that many more fit; if so, they are taken. */
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
