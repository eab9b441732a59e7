import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { debianPackage } from './debian-package.ts'
import { installCommand, type PackageNames } from './install-command.ts'
import { npmBrowser } from './npm-browser.ts'
import { installed, type Program, working } from './program.ts'

/** A program, or the reason why it is missing and the remedy. */
export type Found = Program | { readonly missing: string }

/** The programs that some tests need and that are no npm dependencies of ours. */
export interface Prerequisites {
  readonly redis: Found
  readonly browser: Found
  /** In the folder of a whole PostgreSQL, the server included. */
  readonly pgDump: Found
  readonly pgbouncer: Found
  /** Of util-linux: runs a program on a terminal. */
  readonly script: Found
}

/** Looks for the programs and unpacks what is missing. A program that cannot be had is reported, not thrown. */
export async function findPrerequisites(): Promise<Prerequisites> {
  const [redis, browser, pgDump] = await Promise.all([find(REDIS), find(BROWSER), find(PG_DUMP)])
  const [pgbouncer, script] = await Promise.all([find(PGBOUNCER), find(SCRIPT)])
  return { redis, browser, pgDump, pgbouncer, script }
}

interface Wanted {
  readonly name: string
  /** The environment variable that names the program. */
  readonly variable: string
  readonly places: readonly (() => Promise<Program>)[]
  readonly packages: PackageNames
}

const REDIS: Wanted = {
  name: 'redis-server',
  variable: 'REDIS_SERVER',
  // Debian's redis-server package has only a link to a program of redis-tools.
  places: [
    () => installed('redis-server'),
    () => debianPackage(['redis-server', 'redis-tools'], 'usr/bin/redis-server'),
  ],
  packages: { 'apt-get': 'redis-server', apk: 'redis', brew: 'redis', dnf: 'redis', pacman: 'redis', zypper: 'redis' },
}

const BROWSER: Wanted = {
  name: 'Chromium',
  variable: 'CHROMIUM',
  places: [
    npmBrowser,
    () => installed('chromium', 'chromium-browser', 'google-chrome', MAC_CHROME),
    () => debianPackage(['chromium'], 'usr/lib/chromium/chromium'),
  ],
  packages: {
    'apt-get': 'chromium',
    apk: 'chromium',
    brew: '--cask google-chrome',
    dnf: 'chromium',
    pacman: 'chromium',
    zypper: 'chromium',
  },
}

const PG_DUMP: Wanted = {
  name: 'pg_dump beside a PostgreSQL server',
  variable: 'PG_DUMP',
  places: [() => besideServer([18, 17, 16, 15, 14, 13].map(version => `/usr/lib/postgresql/${version}/bin`))],
  packages: {
    'apt-get': 'postgresql',
    apk: 'postgresql',
    brew: 'postgresql',
    dnf: 'postgresql-server',
    pacman: 'postgresql',
    zypper: 'postgresql-server',
  },
}

const PGBOUNCER: Wanted = {
  name: 'pgbouncer',
  variable: 'PGBOUNCER',
  // On Debian it is in /usr/sbin, which the PATH of an ordinary user lacks.
  places: [
    () => installed('pgbouncer', '/usr/sbin/pgbouncer'),
    () => debianPackage(['pgbouncer'], 'usr/sbin/pgbouncer'),
  ],
  packages: {
    'apt-get': 'pgbouncer',
    apk: 'pgbouncer',
    brew: 'pgbouncer',
    dnf: 'pgbouncer',
    pacman: 'pgbouncer',
    zypper: 'pgbouncer',
  },
}

const SCRIPT: Wanted = {
  name: "util-linux' script",
  variable: 'SCRIPT',
  places: [() => installed('script')],
  packages: {
    'apt-get': 'bsdutils',
    apk: 'util-linux-misc',
    brew: 'util-linux',
    dnf: 'util-linux-script',
    pacman: 'util-linux',
    zypper: 'util-linux',
  },
}

/** The folder of each version on Debian and Ubuntu, else the one on the PATH. */
async function besideServer(folders: readonly string[]): Promise<Program> {
  const { stdout } = await promisify(execFile)('pg_config', ['--bindir']).catch(() => ({ stdout: '' }))
  for (const folder of [...folders, stdout.trim()].filter(Boolean)) {
    const found = await Promise.all(['postgres', 'initdb', 'pg_dump'].map(name => working(join(folder, name)))).catch(
      () => null,
    )
    if (found?.[2]) return found[2]
  }
  throw new Error('no folder has postgres, initdb and pg_dump')
}

const MAC_CHROME = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'

async function find({ name, variable, places, packages }: Wanted): Promise<Found> {
  const chosen = process.env[variable]
  const reasons: string[] = []
  for (const place of chosen ? [() => working(chosen)] : places) {
    try {
      return await place()
    } catch (error) {
      reasons.push(reasonOf(error))
    }
  }
  if (chosen) return { missing: `${variable}=${chosen} does not run (${reasons}): correct or unset ${variable}.` }
  const remedy = `Install it with \`${await installCommand(packages)}\`, or set ${variable} to its path.`
  return { missing: `${name} is not on this machine (${reasons.join('; ')}). ${remedy}` }
}

function reasonOf(error: unknown): string {
  const { code, path, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string }
  if (code === 'ENOENT' && path) return `not found: ${path}`
  return stderr?.trim().split('\n').at(-1) || message.split('\n')[0] || message
}
