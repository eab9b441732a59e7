import type { Server, Socket } from 'socket.io'
import type { Logger } from '../../logger.ts'
import { type Limits, rateLimit } from './limits.ts'

type Connection = Socket['conn']

/**
 * Closes a connection that exceeds a limit before its packets are parsed, because parsing rejected requests costs as much as
 * parsing others.
 */
export function closeFloods(io: Server, limits: Limits, logger: Logger): void {
  const { bytesPerSecond, packetsPerSecond, payloadBytes } = limits
  io.engine.on('connection', (connection: Connection) => {
    const packets = rateLimit({ perSecond: packetsPerSecond, burst: 2 * packetsPerSecond })
    const bytes = rateLimit({ perSecond: bytesPerSecond, burst: 10 * payloadBytes })
    const values = rateLimit(VALUES)
    connection.on('packet', ({ data }: { data?: string | Buffer }) => {
      const { depth, count } = shapeOf(data)
      const isWithin = packets.allows() && bytes.allows(data?.length ?? 0) && depth <= NESTING && values.allows(count)
      if (isWithin || connection.readyState !== 'open') return
      logger.warn(
        'Closed a connection that exceeded limits.packetsPerSecond, limits.bytesPerSecond, 1000 levels of JSON or 200000 values at once',
      )
      connection.close(true)
    })
  })
}

/** A message is parsed completely before its request can be rejected. Parsing 60,000 keys takes 0.2 s. */
const VALUES = { perSecond: 25_000, burst: 200_000 }
const NESTING = 1000
/** Shorter text cannot be nested deeply enough to parse slowly. */
const SHORT = 10_000

/** The nesting depth and number of separators of JSON text. JSON.parse takes 30 times as long for text of only brackets. */
function shapeOf(data: string | Buffer | undefined): { depth: number; count: number } {
  if (typeof data !== 'string' || data.length < SHORT) return { depth: 0, count: 0 }
  let [level, depth, count] = [0, 0, 0]
  let isText = false
  for (let at = 0; at < data.length; at++) {
    const code = data.charCodeAt(at)
    if (code === QUOTE) isText = !isText
    else if (isText) at += code === BACKSLASH ? 1 : 0
    else if (code === COMMA) count++
    else if (code === OPEN_LIST || code === OPEN_OBJECT) depth = Math.max(depth, ++level)
    else if (code === CLOSE_LIST || code === CLOSE_OBJECT) level--
  }
  return { depth, count }
}

const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [...'"\\,[]{}'].map(each =>
  each.charCodeAt(0),
)
