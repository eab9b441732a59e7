import type { Socket } from 'socket.io'
import { z } from 'zod'

/** How clients that return receive what they missed. */
export interface CatchUpOptions {
  /** Size of the recent messages in memory, in bytes, and as much again for those read from the log. @default 32 MiB */
  memoryBytes?: number
  /** Maximum number of messages that a client receives at once. Above it, it receives a gap. @default 10_000 */
  maxMessages?: number
  /** Maximum number of ranges of the change log that are read at once. @default 2 */
  concurrentReads?: number
  /** Whether this socket may catch up. It never receives more than messages to rooms that it is in. @default every socket */
  policy?: (socket: Socket) => boolean | Promise<boolean>
}

/** All options. `policy` is undefined by default. */
export interface CatchUpSettings extends Required<Omit<CatchUpOptions, 'policy'>> {
  readonly policy?: CatchUpOptions['policy'] | undefined
}

const count = z.int('must be a whole number').positive('must be above 0')

const settings = z.strictObject(
  {
    memoryBytes: count.default(32 * 2 ** 20),
    maxMessages: count.default(10_000),
    concurrentReads: count.default(2),
    policy: z.custom<CatchUpSettings['policy']>(value => typeof value === 'function', 'must be a function').optional(),
  },
  'must be false, or an object such as { maxMessages: 10_000 }',
)

/** `false` disables catching up. */
export const catchUpOption = z
  .union([z.literal(false), settings], 'must be false, or an object such as { maxMessages: 10_000 }')
  .default(() => settings.parse({}))
