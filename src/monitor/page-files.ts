import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, extname, join } from 'node:path'

export interface PageFile {
  readonly type: string
  readonly content: string
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The files of the status page by name, and the plot library's as it ships them. */
export async function pageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const folder = join(import.meta.dirname, 'page')
  const own = (await readdir(folder)).map(name => join(folder, name))
  const require = createRequire(import.meta.url)
  const plots = ['uplot/dist/uPlot.esm.js', 'uplot/dist/uPlot.min.css'].map(name => require.resolve(name))
  const files = [...own, ...plots].filter(path => extname(path) in TYPES)
  return new Map(await Promise.all(files.map(readPageFile)))
}

async function readPageFile(path: string): Promise<[string, PageFile]> {
  return [basename(path), { type: TYPES[extname(path)] ?? '', content: await readFile(path, 'utf8') }]
}
