import { expect, test } from 'vitest'
import { Snapshot } from '../../../src/change-log/snapshot.ts'

test('a snapshot includes transactions that had ended', () => {
  const snapshot = new Snapshot('10:20:10,15')
  const includes = [9n, 10n, 11n, 15n, 19n, 20n].map(xid => snapshot.includes(xid))
  expect(includes).toEqual([true, false, true, false, true, false])
  expect(new Snapshot('18446744073709551615:18446744073709551615:').includes(2n ** 63n)).toBe(true)
})

test.each([
  ['10:20:10,15', '10:20:10,15', true],
  ['15:20:15', '10:20:10,15', true],
  ['10:20:10,15', '15:20:15', false],
  ['10:19:10', '10:20:10', false],
  ['10:30:10,25', '10:20:10', true],
  ['10:30:10,15', '10:20:10', false],
])('%s covers %s: %s', (one, other, covers) => expect(new Snapshot(one).covers(new Snapshot(other))).toBe(covers))
