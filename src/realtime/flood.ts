import type { Server, Socket } from 'socket.io'
import type { Logger } from '../logger.ts'
import { type Limits, rateLimit } from './limits.ts'

type Connection = Socket['conn']

/**
 * Closes a connection that sends more than it may, before its packets are parsed: parsing costs as much for a request that
 * is refused as for any other.
 */
export function closeFloods(io: Server, limits: Limits, logger: Logger): void {
  const { bytesPerSecond, packetsPerSecond, payloadBytes } = limits
  io.engine.on('connection', (connection: Connection) => {
    const packets = rateLimit({ perSecond: packetsPerSecond, burst: 2 * packetsPerSecond })
    const bytes = rateLimit({ perSecond: bytesPerSecond, burst: 10 * payloadBytes })
    connection.on('packet', ({ data }: { data?: string | Buffer }) => {
      const isWithin = packets.allows() && bytes.allows(data?.length ?? 0) && !isDeep(data)
      if (isWithin || connection.readyState !== 'open') return
      logger.warn(
        'A connection was closed: it sent more than limits.packetsPerSecond, limits.bytesPerSecond or 1000 levels of JSON',
      )
      connection.close(true)
    })
  })
}

const NESTING = 1000
/** Less text cannot be so deep that parsing it takes long. */
const SHORT = 10_000

/** JSON.parse takes 30 times as long for a message that is all brackets. */
function isDeep(data: string | Buffer | undefined): boolean {
  if (typeof data !== 'string' || data.length < SHORT) return false
  let depth = 0
  let isText = false
  for (let at = 0; at < data.length; at++) {
    const code = data.charCodeAt(at)
    if (code === QUOTE) isText = !isText
    else if (isText) at += code === BACKSLASH ? 1 : 0
    else if (code === OPEN_LIST || code === OPEN_OBJECT) depth++
    else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--
    if (depth > NESTING) return true
  }
  return false
}

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [...'"\\[]{}'].map(each =>
  each.charCodeAt(0),
)
