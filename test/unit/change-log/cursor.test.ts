import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareCursors, formatCursor, parseCursor } from '../../../src/change-log/cursor.ts'

const cursors = fc.record(
  {
    epoch: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    tick: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    seq: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    xid: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  },
  { requiredKeys: ['epoch', 'tick', 'seq'] },
)

test('parses formatted cursors', () => {
  fc.assert(
    fc.property(cursors, cursor => {
      expect(parseCursor(formatCursor(cursor))).toEqual(cursor)
    }),
  )
})

test('cursors are short, and ordered by epoch, tick and seq', () => {
  const a = { epoch: 1, tick: 100n, seq: 5_000n }
  expect(formatCursor(a)).toBe('1.2s.3uw')
  expect(compareCursors(a, { ...a, seq: 5_001n })).toBe(-1)
  expect(compareCursors({ ...a, tick: 101n, seq: 1n }, a)).toBe(1)
  expect(compareCursors({ epoch: 2, tick: 0n, seq: 0n }, a)).toBeGreaterThan(0)
  expect(compareCursors(a, a)).toBe(0)
})

test('the transaction of a change follows its place, and does not affect the order', () => {
  const a = { epoch: 1, tick: 100n, seq: 5_000n }
  expect(formatCursor({ ...a, xid: 739n })).toBe('1.2s.3uw.kj')
  expect(compareCursors(a, { ...a, xid: 739n })).toBe(0)
})

test.each([
  '',
  '1',
  '1.2',
  '1.2.3.4.5',
  '1.2.3.',
  '1.2.-3',
  '1.2.3 ',
  'A.B.C',
  '1..3',
  '9'.repeat(40),
  null,
  7,
  {},
  'zzzzzzz.1.1',
  '1.zzzzzzzzzzzzz.1',
  '1.1.zzzzzzzzzzzzz',
  '1.1.1.zzzzzzzzzzzzz',
  '1.²8.1',
  '1.２.3',
])('refuses %j', text =>
  expect(() => parseCursor(text as string)).toThrow(expect.objectContaining({ code: 'E_USAGE' })),
)
