import { expect, test } from 'vitest'
import { type Input, nextState, type State } from '../../../src/client/state.ts'

const STATES: State[] = ['disconnected', 'subscribing', 'catchingUp', 'refreshing', 'live']
const INPUTS: Input[] = ['answered', 'caughtUp', 'stale', 'connected', 'disconnected']

/** For each state: the state to enter on each of the inputs, in their order, and where that differs, with a stale list. */
const TABLE: Record<State, (State | undefined | [fresh: State, stale: State])[]> = {
  disconnected: [undefined, undefined, undefined, 'subscribing', 'disconnected'],
  subscribing: ['catchingUp', undefined, undefined, 'subscribing', 'disconnected'],
  catchingUp: [undefined, ['live', 'refreshing'], undefined, 'subscribing', 'disconnected'],
  refreshing: [['live', 'refreshing'], undefined, 'refreshing', 'subscribing', 'disconnected'],
  live: [undefined, undefined, 'refreshing', 'subscribing', 'disconnected'],
}

const cases = STATES.flatMap(state =>
  INPUTS.flatMap((input, column) => {
    const [fresh, stale] = [TABLE[state][column]].flat().concat(TABLE[state][column])
    return [
      { state, input, isStale: false, next: fresh },
      { state, input, isStale: true, next: Array.isArray(TABLE[state][column]) ? stale : fresh },
    ]
  }),
)

test.each(cases)('$state, $input, with a stale list: $isStale -> $next', ({ state, input, isStale, next }) => {
  expect(nextState(state, input, isStale)).toBe(next)
})

test('the table covers every state and input', () => {
  expect(cases).toHaveLength(STATES.length * INPUTS.length * 2)
})
