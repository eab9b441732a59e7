/**
 * Where a client stands towards the stream of messages. Messages reach the app's handlers at once when it is `live`, and
 * wait in a queue otherwise. Replayed messages reach them at once in `catchingUp`.
 *
 * | state          | answered   | caughtUp | stale      | connected   | disconnected |
 * |----------------|------------|----------|------------|-------------|--------------|
 * | `disconnected` |            |          |            | subscribing | disconnected |
 * | `subscribing`  | catchingUp |          |            | subscribing | disconnected |
 * | `catchingUp`   |            | live*    |            | subscribing | disconnected |
 * | `refreshing`   | live*      |          | refreshing | subscribing | disconnected |
 * | `live`         |            |          | refreshing | subscribing | disconnected |
 *
 * `*` refreshing, if a list is stale. An empty cell changes nothing. On entering a state, also from itself, a client
 * - `subscribing` runs all subscribing requests again; `answered` follows the last answer,
 * - `catchingUp` asks for the messages since its cursor; `caughtUp` follows the last of them,
 * - `refreshing` runs the requests of stale lists again, and hands the lists over,
 * - `live` hands over the queued messages.
 */
export type State = 'disconnected' | 'subscribing' | 'catchingUp' | 'refreshing' | 'live'

/** `stale`: a list must be read, because it is new or because changes are missing. */
export type Input = 'answered' | 'caughtUp' | 'stale' | 'connected' | 'disconnected'

const TRANSITIONS: Partial<Record<State, Partial<Record<Input, State>>>> = {
  subscribing: { answered: 'catchingUp' },
  catchingUp: { caughtUp: 'live' },
  refreshing: { answered: 'live', stale: 'refreshing' },
  live: { stale: 'refreshing' },
}

/** The state to enter. Undefined if the input changes nothing. */
export function nextState(state: State, input: Input, isStale: boolean): State | undefined {
  const inAny: Partial<Record<Input, State>> = { connected: 'subscribing', disconnected: 'disconnected' }
  const next = { ...inAny, ...TRANSITIONS[state] }[input]
  return next === 'live' && isStale ? 'refreshing' : next
}
