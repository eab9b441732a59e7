import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

export interface PageFile {
  readonly type: string
  readonly text: string
}

/** The files of the page by name: there is no path to be followed out of the folder. */
export async function readPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const folder = join(import.meta.dirname, 'page')
  const names = (await readdir(folder)).filter(name => extname(name) in TYPES)
  const files = names.map(async (name): Promise<[string, PageFile]> => {
    return [name, { type: TYPES[extname(name)] ?? '', text: await readFile(join(folder, name), 'utf8') }]
  })
  return new Map(await Promise.all(files))
}

export interface PageModel {
  readonly identity: string
  readonly table: string
  /** Attributes that never leave the database, and why. */
  readonly inside?: Readonly<Record<string, string>>
}

/** What the page must know, set into its HTML. */
export interface PageSettings {
  readonly models: readonly PageModel[]
  /** Identity of the model between courses and users. */
  readonly links: string
  /** Sent along with each request that writes. */
  readonly token: string
  /** Whether the page may run SQL. */
  readonly sql: boolean
  /** In words. */
  readonly place: string
  /** Command that opens psql on the demo's tables. */
  readonly psql: string
  /** Socket.io path of the sockets that hear blueprint actions only. */
  readonly alonePath: string
}

/** `<` could end the element that the settings stand in. */
export const withSettings = (html: string, settings: PageSettings): string =>
  html.replace('"{{settings}}"', () => JSON.stringify(settings).replaceAll('<', '\\u003c'))
