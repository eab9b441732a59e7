import { expect, test } from 'vitest'
import { MemberMemory } from '../../../src/pipeline/rules/member-memory.ts'
import type { AddedToEvent } from '../../../src/publish/mapping/record-event.ts'

const member = (id: number, childId: number): AddedToEvent => ({
  verb: 'addedTo',
  identity: 'owner',
  id,
  alias: 'pets',
  childId,
})
const [tick, request] = [{ tick: 1n }, { request: 'one' }] as const
const owner = (id: number) => ({ identity: 'owner', id })

test('members are remembered by scope and record, in the order in which they were added', () => {
  const memory = new MemberMemory()
  for (const each of [member(1, 2), member(1, 1), member(2, 1)]) memory.add(tick, each)
  memory.add(request, member(1, 9))
  expect(memory.of(tick, owner(1))).toEqual([member(1, 2), member(1, 1)])
  expect(memory.of({ tick: 2n }, owner(1))).toEqual([])
  expect(memory.remove(tick, member(1, 2))).toBe(true)
  expect(memory.remove(tick, member(1, 2))).toBe(false)
  expect(memory.has(request, member(1, 9))).toBe(true)
  memory.removeAll(tick, owner(1))
  expect(memory.of(tick, owner(1))).toEqual([])
  expect(memory.of(tick, owner(2))).toEqual([member(2, 1)])
  memory.clear()
  expect(memory.of(tick, owner(2))).toEqual([])
})

test('beyond the limit the oldest are forgotten, and their scope is incomplete', () => {
  const memory = new MemberMemory({ count: 2 })
  memory.add(request, member(1, 1))
  memory.add(tick, member(1, 1))
  memory.add(tick, member(1, 2))
  expect([memory.isComplete(request), memory.isComplete(tick)]).toEqual([false, true])
  memory.add(tick, member(1, 3))
  expect([memory.isComplete(tick), memory.of(tick, owner(1))]).toEqual([false, [member(1, 2), member(1, 3)]])
  memory.add(tick, member(1, 4))
  expect(memory.of(tick, owner(1))).toEqual([member(1, 2), member(1, 3)])
  memory.clear()
  expect(memory.isComplete(tick)).toBe(true)
})
