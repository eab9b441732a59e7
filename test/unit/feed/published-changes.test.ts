import { expect, test } from 'vitest'
import type { LoggedChange } from '../../../src/change-log/change.ts'
import type { Position } from '../../../src/change-log/position.ts'
import { PublishedChanges } from '../../../src/feed/published-changes.ts'

const position = (id: bigint): Position => ({ epoch: 1, tick: { id, snapshot: '' } })

const change = (seq: number, xid = '5', at = 1): LoggedChange =>
  ({ xid, cursor: { epoch: 1, tick: 0n, seq: BigInt(seq) }, at: new Date(at) }) as LoggedChange

const seqs = (changes: readonly { readonly seq: bigint }[] | undefined) => changes?.map(({ seq }) => Number(seq))
const fresh = (published: PublishedChanges, page: LoggedChange[]) =>
  seqs(published.newOf(page).map(({ cursor }) => cursor))

function publish(published: PublishedChanges, tick: bigint, page: LoggedChange[]) {
  published.begin(tick, page)
  published.end(page)
}

test('what was published in ticks that are lost is left out of the next tick that has it, and of no other', () => {
  const published = new PublishedChanges(position(10n))
  publish(published, 11n, [change(1), change(2)])
  publish(published, 12n, [change(3)])
  expect([9n, 10n, 11n, 12n].map(tick => seqs(published.after(tick)))).toEqual([undefined, [1, 2, 3], [3], []])
  published.expectAgain(11n)
  expect(published.expectsAgain).toBe(true)
  expect(fresh(published, [change(2), change(3), change(4)])).toEqual([2, 4])
  expect(fresh(published, [change(3, '6'), change(3, '5', 2)])).toEqual([3, 3]) // ids and places are given again
  publish(published, 20n, [])
  expect(fresh(published, [change(3)])).toEqual([])
  publish(published, 21n, [change(3), change(4)])
  expect(published.expectsAgain).toBe(false)
  expect(fresh(published, [change(3)])).toEqual([3])
  expect(seqs(published.after(12n))).toEqual([3, 4])
})

test('of a page that was interrupted, the changes up to the last that was reached were published', () => {
  const published = new PublishedChanges(position(10n))
  publish(published, 11n, [change(1), change(2)])
  published.begin(11n, [change(3), change(4), change(6)])
  published.reach(4n)
  expect(seqs(published.after(10n))).toEqual([1, 2, 3, 4, 6])
  published.expectAgain(10n)
  expect(fresh(published, [change(1), change(2), change(3), change(4), change(6)])).toEqual([6])
  published.begin(11n, [change(6), change(7)]) // read again, behind what was reached
  expect(seqs(published.after(10n))).toEqual([1, 2, 3, 4, 6, 7])
})

test('the number of changes is limited: after a large tick, only what follows is known', () => {
  const published = new PublishedChanges(position(10n))
  const page = Array.from({ length: 500 }, (_, seq) => change(seq))
  for (let tick = 11n; tick <= 60n; tick++) publish(published, tick, page)
  expect(published.after(20n)).toBeUndefined()
  expect(published.after(40n)).toHaveLength(20 * 500)
  for (let pages = 0; pages < 50; pages++) publish(published, 61n, page)
  expect(published.after(60n)).toBeUndefined()
  publish(published, 62n, [change(1)])
  expect(seqs(published.after(61n))).toEqual([1])
})

test('what an earlier process published of a tick is not known', () => {
  const published = new PublishedChanges({ ...position(10n), partial: { tick: 11n, seq: 3n } })
  publish(published, 11n, [change(4)])
  expect([published.after(10n), seqs(published.after(11n))]).toEqual([undefined, []])
})
