import { readdir, readFile } from 'node:fs/promises'
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

/** The files of a page by name, with those that all pages share, and `others`: no path leads out of the folder. */
export async function pageFiles(
  folder: string,
  others: readonly string[] = [],
): Promise<ReadonlyMap<string, PageFile>> {
  const folders = [join(import.meta.dirname, 'shared'), folder]
  const listed = await Promise.all(folders.map(async each => (await readdir(each)).map(name => join(each, name))))
  const files = [...listed.flat(), ...others].filter(path => extname(path) in TYPES)
  return new Map(await Promise.all(files.map(readPageFile)))
}

async function readPageFile(path: string): Promise<[string, PageFile]> {
  return [basename(path), { type: TYPES[extname(path)] ?? '', content: await readFile(path, 'utf8') }]
}
