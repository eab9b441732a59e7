import { keyOf, type Message } from './message.ts'

/** As many messages as a server replays by default. */
const LIMIT = 10_000
/** A server reports its cursor once a minute, if there are changes. */
const OWN_LIMIT = 1_000

/** A function that returns whether it has been called with the same message before. */
export const repeats = (): ((message: Message) => boolean) => {
  const seen = new Set<string>()
  /** Messages that the app sent itself, without a cursor, since the last message with a cursor. */
  let own: Message[] = []
  /** As many of them were there at the last checkpoint. */
  let older = 0
  return message => {
    const [, payload, { cursor, replayed } = {}] = message
    if (!cursor) {
      own = [...own.slice(-OWN_LIMIT), message]
      return false
    }
    const key = cursor + keyOf(message)
    if (seen.has(key)) return true
    const [oldest = ''] = seen.add(key)
    if (seen.size > LIMIT) seen.delete(oldest)
    if (replayed) return takeCopy(own, message)
    // A checkpoint has the cursor of a minute ago.
    own = payload.verb === 'checkpoint' ? own.slice(older) : []
    older = own.length
    return false
  }
}

/**
 * Removes the first message of the app itself that reports the same change as a message of the feed. Returns whether there was
 * one. An update of the app must contain every value of the feed's.
 */
export const takeCopy = (messages: Message[], message: Message): boolean => {
  const [, { verb, data }] = message
  const index = messages.findIndex(
    other =>
      !other[2]?.cursor &&
      keyOf(other) === keyOf(message) &&
      (verb !== 'updated' || JSON.stringify({ ...other[1].data, ...data }) === JSON.stringify(other[1].data)),
  )
  return index >= 0 && !!messages.splice(index, 1)
}
