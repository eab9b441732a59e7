import { expect, test } from 'vitest'
import { nextState, type State } from '../../../src/client/state.ts'

const ASKED = ['subscribing', 'disconnected', 'catchingUp', 'live', 'refreshing'] as const

/** What the table of `state.ts` has where something happens: nothing, or the states to enter with fresh and with stale lists. */
type Cell = State | [fresh: State, stale: State] | undefined | '-'

const TABLE: Record<State, Cell[]> = {
  disconnected: ['subscribing', 'disconnected', '-', '-', undefined],
  subscribing: ['subscribing', 'disconnected', 'catchingUp', '-', undefined],
  catchingUp: ['subscribing', 'disconnected', '-', ['live', 'refreshing'], undefined],
  refreshing: ['subscribing', 'disconnected', '-', ['live', 'refreshing'], undefined],
  live: ['subscribing', 'disconnected', '-', '-', 'refreshing'],
}

const cases = Object.entries(TABLE).flatMap(([state, cells]) =>
  cells.flatMap((cell, column) => {
    if (cell === '-') return []
    const [fresh, stale] = Array.isArray(cell) ? cell : [cell, cell]
    const asked = ASKED[column] as State
    return [
      { state: state as State, asked, stale: 0, next: fresh },
      { state: state as State, asked, stale: 1, next: stale },
    ]
  }),
)

test.each(cases)('$state, $asked is asked for, stale lists: $stale -> $next', ({ state, asked, stale, next }) => {
  expect(nextState(state, asked, stale)).toBe(next)
})
