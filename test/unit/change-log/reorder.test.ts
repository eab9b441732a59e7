import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { LoggedChange } from '../../../src/change-log/change.ts'
import { reorderByRowImages } from '../../../src/change-log/reorder.ts'

/**
 * `1:a>b` is an update of record 1 from image a to b. Without an old image it is an insert, without a new one a delete.
 */
const change = (text: string, seq: number, xid = '7'): LoggedChange => {
  const [record = '', images = ''] = text.split(':')
  const [before, after] = images.split('>')
  const image = (value?: string) => (value ? `${record.replace('*', '')}${value}` : null)
  return {
    cursor: { epoch: 1, tick: 1n, seq: BigInt(seq) },
    xid,
    tableId: 1,
    nested: record.startsWith('*'),
    operation: !before ? 'insert' : !after ? 'delete' : 'update',
    old: image(before),
    new: image(after),
    origin: null,
    annotations: null,
    at: new Date(0),
    defect: null,
  }
}
const page = (...texts: string[]) => texts.map((text, seq) => change(text, seq))
const order = (changes: readonly LoggedChange[]) =>
  changes.map(({ old: before, new: after }) => `${before ?? ''}>${after ?? ''}`).join(' ')
const recordOf = ({ old: before, new: after }: LoggedChange) => (after ?? before)?.[0] ?? null

test.each([
  ['in order', ['1:>a', '1:a>b', '1:b>c'], '>1a 1a>1b 1b>1c', false],
  ['the nested write logged first', ['1:b>c', '1:a>b'], '1a>1b 1b>1c', false],
  ['interleaved with other records', ['2:a>b', '1:b>c', '2:b>c', '1:a>b'], '2a>2b 1a>1b 2b>2c 1b>1c', false],
  ['back and forth, in order', ['1:a>b', '1:b>a', '1:a>b'], '1a>1b 1b>1a 1a>1b', false],
  ['a deleted record inserted again', ['1:a>', '1:>a', '1:a>b'], '1a> >1a 1a>1b', false],
  ['images that form no chain', ['1:x>y', '1:b>c', '1:a>b'], '1x>1y 1b>1c 1a>1b', true],
  ['a no-op update of a trigger, logged first', ['*1:b>b', '1:a>b'], '1a>1b 1b>1b', false],
  ['a cycle that a trigger may have closed', ['*1:b>a', '1:a>b'], '1b>1a 1a>1b', true],
  ['two trigger writes', ['*1:b>b', '*1:b>c', '1:a>b'], '1a>1b 1b>1b 1b>1c', false],
  ['a cycle without a trigger', ['1:b>a', '1:a>b'], '1b>1a 1a>1b', false],
])('%s', (_name, texts, expected, uncertain) => {
  const { changes, unresolved } = reorderByRowImages(page(...texts), recordOf)
  expect(order(changes)).toBe(expected)
  expect(unresolved.size > 0).toBe(uncertain)
})

test('keeps the order of changes in different transactions', () => {
  const mixed = [change('1:b>c', 0, '8'), change('1:a>b', 1, '7')]
  expect(reorderByRowImages(mixed, recordOf).changes).toEqual(mixed)
})

test('restores the order of any shuffled chain of distinct images', () => {
  const images = 'abcdefgh'
  const chain = [...images.slice(1)].map((after, index) => `1:${images[index]}>${after}`)
  fc.assert(
    fc.property(fc.shuffledSubarray(chain, { minLength: chain.length }), shuffled => {
      expect(order(reorderByRowImages(page(...shuffled), recordOf).changes)).toBe(order(page(...chain)))
    }),
  )
})
