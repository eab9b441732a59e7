import { expect, test } from 'vitest'
import { SharedQuery } from '../../../src/catch-up/shared-query.ts'
import { eventually } from '../../helpers/eventually.ts'

/** A query whose runs end when told to. */
function heldQuery() {
  const runs: { resolve(result: number): void; reject(error: Error): void }[] = []
  const query = new SharedQuery(() => new Promise<number>((resolve, reject) => void runs.push({ resolve, reject })))
  return { runs, query }
}

test('callers during a run share the next one, which begins after they asked', async () => {
  const { runs, query } = heldQuery()
  const first = query.ask()
  const others = [query.ask(), query.ask(), query.ask()]
  expect(runs).toHaveLength(1)
  runs[0]?.resolve(1)
  expect(await first).toBe(1)
  await eventually(() => expect(runs).toHaveLength(2))
  const late = query.ask()
  runs[1]?.resolve(2)
  expect(await Promise.all(others)).toEqual([2, 2, 2])
  await eventually(() => expect(runs).toHaveLength(3))
  runs[2]?.resolve(3)
  expect(await late).toBe(3)
})

test('a failed run does not affect those who asked meanwhile', async () => {
  const { runs, query } = heldQuery()
  const first = query.ask()
  const second = query.ask()
  runs[0]?.reject(new Error('lost'))
  await expect(first).rejects.toThrow('lost')
  await eventually(() => expect(runs).toHaveLength(2))
  runs[1]?.resolve(2)
  expect(await second).toBe(2)
})

test('a recent result is shared without a run', async () => {
  const { runs, query } = heldQuery()
  const [first, second] = [query.askRecent(60_000), query.askRecent(60_000)]
  runs[0]?.resolve(1)
  expect(await Promise.all([first, second, query.askRecent(60_000)])).toEqual([1, 1, 1])
  expect(runs).toHaveLength(1)
  const late = query.askRecent(-1)
  await eventually(() => expect(runs).toHaveLength(2))
  runs[1]?.resolve(2)
  expect(await late).toBe(2)
})
