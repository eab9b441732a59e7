import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

const folder = new URL('../../../dist/src/client/', import.meta.url)
const LIMIT_BYTES = 2 * 1024

test('the minified client is one module of less than 2 kB', async () => {
  const code = await readFile(new URL('client.min.js', folder))
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(LIMIT_BYTES)
  expect(String(code)).not.toMatch(/\bimport\b|\brequire\b/)
  expect(Object.keys(await import(new URL('client.min.js', folder).href))).toEqual(['changefeed'])
})

test('import and require give the same', async () => {
  const required = createRequire(import.meta.url)(new URL('client.cjs', folder).pathname)
  expect(Object.keys(await import(new URL('client.js', folder).href))).toEqual(Object.keys(required))
  expect(required.changefeed).toBeTypeOf('function')
})
