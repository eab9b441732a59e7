import { expect, test } from 'vitest'
import { EventList, indexAfter, indexBeyond, loggedEvent } from '../../../src/catch-up/log-segment.ts'
import { formatCursor } from '../../../src/change-log/cursor.ts'
import { WHOLE_TICK } from '../../../src/change-log/tick.ts'

const cursor = (tick: number, seq: number) => ({ epoch: 1, tick: BigInt(tick), seq: BigInt(seq) })

function listOf(places: readonly (readonly [tick: number, seq: number, identity?: string])[], maxBytes = 1e9) {
  const list = new EventList(maxBytes)
  for (const [tick, seq, identity = 'pet'] of places) {
    const text = formatCursor(cursor(tick, seq))
    const sent = { cursor: text, steps: [], meta: { cursor: text, at: 0 }, except: [] }
    list.add(loggedEvent({ verb: 'refetch', identity, reason: 'bulk' }, sent))
  }
  return list
}

test('the start of a range is behind the last event at its cursor, in the order of publishing', () => {
  // Within tick 2, 7 was published before 5. The notice about tick 3 has the cursor of the tick before.
  const { events } = listOf([
    [1, 3],
    [2, 7],
    [2, 5],
    [2, 5],
    [2, 9],
    [3, 4],
    [2, 0],
    [4, 1],
  ])
  const places = [
    [cursor(1, 1), 0],
    [cursor(1, 3), 1],
    [{ ...cursor(1, 0), seq: WHOLE_TICK }, 1],
    [cursor(2, 7), 2],
    [cursor(2, 5), 4],
    [cursor(2, 8), 4],
    [cursor(2, 9), 5],
    [cursor(3, 3), 5],
    [cursor(3, 4), 6],
    [cursor(4, 1), 8],
    [cursor(9, 1), 8],
  ] as const
  for (const [at, place] of places) expect([at, indexAfter(events, at, false)]).toEqual([at, place])
  expect(indexAfter(events, cursor(2, 5), true)).toBe(2)
  expect(indexAfter(events, cursor(2, 8), true)).toBe(4)
  expect(indexBeyond(events, cursor(3, 4))).toBe(7)
  expect(indexBeyond(events, cursor(3, 9))).toBe(7)
})

test('beyond the limit, the model with the most bytes is left out', () => {
  const one = listOf([[1, 1]]).bytes
  const list = listOf(
    [
      [1, 1, 'pet'],
      [1, 2, 'user'],
      [2, 1, 'pet'],
      [2, 2, 'user'],
      [3, 1, 'pet'],
      [4, 1, 'pet'],
      [5, 1, 'user'],
    ],
    one * 4.5,
  )
  expect([...list.omitted]).toEqual(['pet'])
  expect(list.events.map(event => [event.identities[0], event.cursor.tick])).toEqual([
    ['user', 1n],
    ['user', 2n],
    ['user', 5n],
  ])
  expect(list.bytes).toBeLessThan(one * 4)
})
