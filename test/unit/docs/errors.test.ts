import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { onlyCode, page, root, tableRows } from '../../integration/docs/pages.ts'

/** Of Waterline: the source handles it and does not throw it. */
const FOREIGN = ['E_UNIQUE']

test('the page of errors lists the codes of the source, each once, with a cause', async () => {
  const rows = tableRows(await page('docs/errors.md'))
  expect(rows.map(([code = '']) => onlyCode(code)).sort()).toEqual(await codesOfSource())
  expect(rows.filter(cells => !cells.some(cell => cell.endsWith('.')))).toEqual([])
})

async function codesOfSource(): Promise<string[]> {
  const names = await readdir(join(root, 'src'), { recursive: true })
  const texts = await Promise.all(
    names.filter(name => /\.[cm]?ts$/.test(name)).map(name => readFile(join(root, 'src', name), 'utf8')),
  )
  const codes = new Set(texts.flatMap(text => text.match(/\bE_[A-Z_]+\b/g) ?? []))
  return [...codes].filter(code => !FOREIGN.includes(code)).sort()
}
