import { expect, test } from 'vitest'
import type { LoggedChange } from '../../../src/change-log/change.ts'
import { ChangeLogReader, PAGE_BYTES, PAGE_ROWS, READER_SETTINGS } from '../../../src/change-log/reader.ts'
import { openInstalledShop } from '../feed/fixture.ts'

const KIB = 1024
const BEFORE_ALL = { id: 0n, snapshot: '2:2:' }
const bytesOf = (page: readonly LoggedChange[]) =>
  page.reduce((sum, change) => sum + (change.old?.length ?? 0) + (change.new?.length ?? 0), 0)

/** One transaction with rows of these lengths. */
async function logRows(lengths: readonly number[]) {
  const { database } = await openInstalledShop()
  await database.query(`insert into changefeed.lease (node, pid, renewed_at, term) values ('reader', 0, now(), 1)`)
  await database.query(
    `insert into pet (id, name) select place, repeat('x', length)
     from unnest($1::int[]) with ordinality as row (length, place) order by place`,
    [lengths],
  )
  const client = await database.connect()
  await client.query(READER_SETTINGS)
  return new ChangeLogReader(client, 'changefeed')
}

const small = (count: number) => Array.from({ length: count }, () => 10)
const large = (count: number) => Array.from({ length: count }, () => 600 * KIB)

test.each([
  ['small rows', small(1_600)],
  ['large rows', large(30)],
  ['small rows, then large ones', [...small(1_200), ...large(40), ...small(600)]],
  ['large rows among small ones', Array.from({ length: 120 }, () => [...small(9), ...large(1)]).flat()],
])('a page exceeds its limits by at most one row: %s', { timeout: 60_000 }, async (_name, lengths) => {
  const reader = await logRows(lengths)
  const tick = await reader.createTick(1, BEFORE_ALL, '1')
  if (!tick) throw new Error('there is something to read')
  const pages = [tick.page]
  for await (const page of reader.pages(tick.range, tick.page.at(-1)?.cursor.seq ?? 0n)) pages.push(page)
  for (const page of pages) {
    expect(page.length).toBeLessThanOrEqual(PAGE_ROWS)
    expect(bytesOf(page.slice(0, -1))).toBeLessThanOrEqual(PAGE_BYTES)
  }
  const ids = pages.flat().map(change => Number(JSON.parse(change.new ?? '').id))
  expect(ids).toEqual(lengths.map((_, index) => index + 1))
  expect(pages.length).toBeLessThan(5 + lengths.length / PAGE_ROWS + pages.flat().length / 5)
})
