/** A message of resourceful pub-sub, as the socket receives it. `event` is the identity of the model. */
export type Message = readonly [event: string, payload: Payload, meta?: Meta]

export interface Payload {
  readonly verb: string
  readonly id?: unknown
  readonly data?: Readonly<Record<string, unknown>>
  readonly attribute?: string
  readonly addedId?: unknown
  readonly removedId?: unknown
  /** Of messages about the feed. */
  readonly identity?: string
  readonly identities?: readonly string[]
  readonly reason?: string
  readonly cursor?: string
}

/** The second argument of the feed's messages. Those that the app sends itself have none. */
export interface Meta {
  readonly cursor?: string
  readonly replayed?: boolean
}

/** The same for all copies of a message: live or replayed, of the feed or of a blueprint. */
export const keyOf = ([event, payload]: Message): string =>
  event + JSON.stringify(payload, (name, value) => (/data|prev|added$/.test(name) ? undefined : value))

/** For comparisons of cursors, whose parts are numbers in base 36. */
export const rank = (cursor = ''): string => cursor.replace(/\w+/g, part => part.padStart(13))
