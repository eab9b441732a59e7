import { posix } from 'node:path'

/** Source files by path from the project's root, with their text. */
export type Sources = ReadonlyMap<string, string>

/**
 * The rooms of src along a change's path; a file may import from its own room and from rooms further up. What stands on
 * one line is side by side: neither may know the other.
 */
const ROOMS: readonly (readonly string[])[] = [
  [
    'backoff.ts',
    'bounded-map.ts',
    'hourly-count.ts',
    'composite-key.ts',
    'errors.ts',
    'logger.ts',
    'node-globals.ts',
    'printed-command.ts',
    'version.ts',
    'pages',
    'client',
  ],
  ['db', 'parse-by-schema.ts'],
  ['embedded-postgres', 'change-log', 'wakeup', 'models'],
  ['capture', 'leader'],
  ['publish'],
  ['options.ts'],
  ['realtime', 'pipeline', 'installation.ts'],
  ['feed'],
  ['catch-up'],
  ['running-feed.ts'],
  ['changefeed.ts'],
  ['doctor'],
  ['monitor'],
  ['sails'],
  ['demo'],
  ['cli'],
  ['index.ts'],
  ['index.cjs', 'index.d.cts'],
]

/** Packages that only some rooms may know. */
const PACKAGES: readonly { readonly name: RegExp; readonly rooms: readonly string[] }[] = [
  { name: /^pg(-listen)?$/, rooms: ['db', 'wakeup'] },
  { name: /^embedded-postgres$/, rooms: ['embedded-postgres'] },
  {
    name: /^(socket\.io|@socket\.io\/.*|sails.*|waterline.*)$/,
    rooms: [
      'options.ts',
      'models',
      'publish',
      'realtime',
      'pipeline',
      'feed',
      'catch-up',
      'changefeed.ts',
      'sails',
      'demo',
      'cli',
    ],
  },
  { name: /^(commander|listr2|cli-table3|picocolors|pino.*)$/, rooms: ['cli'] },
  { name: /^(hono.*|@hono\/.*)$/, rooms: ['monitor', 'demo', 'cli'] },
  { name: /^(uplot.*|prom-client)$/, rooms: ['monitor'] },
]

/** Every import that breaks the rules, as a sentence. */
export function breaches(sources: Sources): string[] {
  const imports = [...sources].flatMap(([file, text]) => specifiers(text).map(to => toImport(file, to, sources)))
  return [...imports.flatMap(each => complaint(each) ?? []), ...cycles(imports)]
}

interface Import {
  readonly file: string
  readonly specifier: string
  /** Path from the root of a file of ours; undefined for a package. */
  readonly target: string | undefined
}

/** Static, dynamic, re-exporting, and types too: a type is knowledge of its room as well. */
const specifiers = (text: string): string[] =>
  [...withoutComments(text).matchAll(/\b(?:from|import|require)\s*\(?\s*(['"])([^'"\n]+)\1/g)].map(
    match => match[2] ?? '',
  )

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')

function toImport(file: string, specifier: string, sources: Sources): Import {
  if (!specifier.startsWith('.')) return { file, specifier, target: undefined }
  const path = posix.join(posix.dirname(file), specifier)
  const asSource = path.replace(/\.js$/, '.ts') // the hook is CommonJS and names built files
  return { file, specifier, target: sources.has(path) ? path : asSource }
}

function complaint({ file, specifier, target }: Import): string | undefined {
  const room = roomOf(file)
  if (target === undefined) return packageComplaint(file, room, specifier)
  const other = roomOf(target)
  if (room === other) return undefined
  if (other === 'migrations')
    return room === 'db' ? undefined : `${file} imports ${target}: only db knows the migrations`
  if (room === 'migrations') return `${file} imports ${target}: a migration stands alone, as it must never change`
  const [mine, theirs] = [rankOf(room), rankOf(other)]
  if (theirs < 0) return `${file} imports ${target}, which is not in a room of src`
  if (mine < 0) return `${file} is in no room: name its place in the order`
  if (room === 'client' || other === 'client') return `${file} imports ${target}: the browser's client stands alone`
  return theirs < mine ? undefined : `${file} imports ${target}: ${room} comes before ${other}`
}

function packageComplaint(file: string, room: string, specifier: string): string | undefined {
  const rule = PACKAGES.find(({ name }) => name.test(specifier))
  if (!rule || rule.rooms.includes(room)) return undefined
  return `${file} imports ${specifier}, which only ${rule.rooms.join(', ')} may know`
}

/** `db` for src/db/connect.ts, `errors.ts` for src/errors.ts, `migrations`, and the path itself for what is elsewhere. */
function roomOf(path: string): string {
  const [top = '', room = ''] = path.split('/')
  return top === 'src' ? room : top === 'migrations' ? top : path
}

const rankOf = (room: string) => ROOMS.findIndex(rooms => rooms.includes(room))

function cycles(imports: readonly Import[]): string[] {
  const targets = new Map<string, string[]>()
  for (const { file, target } of imports) if (target) targets.set(file, [...(targets.get(file) ?? []), target])
  const done = new Set<string>()
  const found: string[] = []
  const visit = (file: string, path: readonly string[]) => {
    const start = path.indexOf(file)
    if (start >= 0) found.push(`import cycle: ${[...path.slice(start), file].join(' -> ')}`)
    if (start >= 0 || done.has(file)) return
    for (const target of targets.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of targets.keys()) visit(file, [])
  return found
}
