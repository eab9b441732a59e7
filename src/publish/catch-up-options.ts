import type { Socket } from 'socket.io'
import { z } from 'zod'

/** How clients that return receive what they missed. */
export interface CatchUpOptions {
  /** Size of the recent messages in memory, in bytes, and as much again for those read from the log. @default 32 MiB */
  memoryBytes?: number
  /** Maximum number of messages that a client receives at once. Above it, it receives a gap. @default 10_000 */
  maxMessages?: number
  /** Maximum size of these messages, in bytes. Above it, the client receives a gap. @default 16 MiB */
  maxBytes?: number
  /** Maximum number of sockets that catch up at once. Others wait for up to 15 s, then receive a gap. @default 1_000 */
  concurrentClients?: number
  /** Maximum number of ranges of the change log that are read at once. @default 2 */
  concurrentReads?: number
  /**
   * Whether this socket may catch up, or the models whose missed messages it may receive: of the others it receives a gap. It
   * never receives more than messages to rooms that it is in now. @default every socket, all models
   */
  policy?: (socket: Socket) => CatchUpPermission | Promise<CatchUpPermission>
}

/** Identities of models, or of all (true) or none. */
export type CatchUpPermission = boolean | readonly string[]

/** All options. `policy` is undefined by default. */
export interface CatchUpSettings extends Required<Omit<CatchUpOptions, 'policy'>> {
  readonly policy?: CatchUpOptions['policy'] | undefined
}

const positive = (unit: string) =>
  z.int(`must be a whole number of ${unit}`).positive('must be above 0. `catchUp: false` turns catching up off')

export const schema = z.strictObject(
  {
    memoryBytes: positive('bytes').default(32 * 2 ** 20),
    maxMessages: positive('messages').default(10_000),
    maxBytes: positive('bytes').default(16 * 2 ** 20),
    concurrentClients: positive('clients').default(1_000),
    concurrentReads: positive('reads').default(2),
    policy: z
      .custom<CatchUpSettings['policy']>(
        value => typeof value === 'function',
        'must be a function such as socket => socket.data.isUser',
      )
      .optional(),
  },
  'must be false, or an object such as { maxMessages: 10_000 }',
)

/** `false` disables catching up. Reports what is wrong with each setting, which a union of schemas does not. */
export const catchUpOption = z
  .custom<false | CatchUpOptions>()
  .default({})
  .transform((value, context): false | CatchUpSettings => {
    if (value === false) return false
    const { data, error } = schema.safeParse(value)
    for (const issue of error?.issues ?? []) context.issues.push({ ...issue, input: value } as never)
    return data ?? z.NEVER
  })
