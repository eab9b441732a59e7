/**
 * Where a client stands towards the stream of messages. Messages reach the app's handlers at once when it is `live`, and
 * wait in a queue otherwise. Replayed messages reach them at once in `catchingUp`. What happens asks for a state:
 *
 * |                | connected     | disconnected   | answered     | caughtUp, answered | stale        |
 * |----------------|---------------|----------------|--------------|--------------------|--------------|
 * | asks for       | `subscribing` | `disconnected` | `catchingUp` | `live`             | `refreshing` |
 * | `disconnected` | subscribing   | disconnected   | -            | -                  |              |
 * | `subscribing`  | subscribing   | disconnected   | catchingUp   | -                  |              |
 * | `catchingUp`   | subscribing   | disconnected   | -            | live*              |              |
 * | `refreshing`   | subscribing   | disconnected   | -            | live*              |              |
 * | `live`         | subscribing   | disconnected   | -            | -                  | refreshing   |
 *
 * `*` refreshing, if a list is stale. An empty cell changes nothing, and `-` does not happen. On entering a state, also from
 * itself, a client
 * - `subscribing` runs all subscribing requests again; `answered` follows the last answer,
 * - `catchingUp` asks for the messages since its cursor; `caughtUp` follows the last of them,
 * - `refreshing` runs the requests of stale lists again, and hands over the lists; `answered` follows,
 * - `live` says so.
 *
 * The queued messages are handed over when `live` is asked for. A list becomes stale if it is new, or if changes are missing.
 */
export type State = 'disconnected' | 'subscribing' | 'catchingUp' | 'refreshing' | 'live'

/** The state to enter. Undefined if nothing changes. `stale`: number of stale lists, and of gaps to report. */
export const nextState = (state: State, asked: State, stale: number): State | undefined => {
  if (asked === 'refreshing' && state !== 'live') return undefined
  return asked === 'live' && stale ? 'refreshing' : asked
}
