import { execFile } from 'node:child_process'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { unpackedOnce } from './cache.ts'
import { type Program, working } from './program.ts'

/**
 * A program of Debian's or Ubuntu's packages. They are downloaded and unpacked into a folder of the tests instead of
 * being installed: this needs no root, starts no service and also works where dpkg wrongly believes them installed.
 */
export async function debianPackage(packages: readonly string[], path: string): Promise<Program> {
  const { stdout } = await run('dpkg', ['--print-architecture'])
  const unpack = (folder: string) => unpackWithLibraries(packages, folder)
  return await unpackedOnce(`debian-${packages[0]}-${stdout.trim()}`, unpack, async folder =>
    working(join(folder, path), { LD_LIBRARY_PATH: (await libraryFolders(folder)).join(':') }),
  )
}

async function unpackWithLibraries(packages: readonly string[], folder: string) {
  const downloads = join(folder, 'downloads')
  await mkdir(downloads)
  try {
    await download(packages, downloads, [])
  } catch {
    // The package lists are missing or outdated. New ones go into our folder, as those of the system belong to root.
    const lists = ['-o', `Dir::State::Lists=${join(folder, 'lists')}`, '-o', `Dir::Cache=${join(folder, 'cache')}`]
    await Promise.all(['lists', 'cache'].map(name => mkdir(join(folder, name, 'partial'), { recursive: true })))
    await apt([...lists, '-o', 'APT::Update::Error-Mode=any', 'update'], downloads)
    await download(packages, downloads, lists)
  }
  for (const file of await readdir(downloads)) await run('dpkg-deb', ['--extract', join(downloads, file), folder])
  for (const name of ['downloads', 'lists', 'cache']) await rm(join(folder, name), { recursive: true, force: true })
}

/** The packages themselves, and every dependency that is not installed. */
async function download(packages: readonly string[], folder: string, options: readonly string[]) {
  const simulation = await apt([...options, 'install', '--simulate', '--no-install-recommends', ...packages], folder)
  const missing = [...simulation.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name ?? '')
  await apt([...options, 'download', ...new Set([...packages, ...missing])], folder)
}

async function apt(args: readonly string[], cwd: string): Promise<string> {
  // As root, apt would download as a user that cannot write to our folder.
  const options = ['-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20']
  const { stdout } = await run('apt-get', ['--quiet', ...options, ...args], { cwd, timeout: 180_000 })
  return stdout
}

/** Every folder with shared libraries: some packages keep theirs in a folder of their own. */
async function libraryFolders(folder: string): Promise<string[]> {
  const entries = await readdir(join(folder, 'usr', 'lib'), { recursive: true, withFileTypes: true })
  return [...new Set(entries.filter(({ name }) => /\.so(\.|$)/.test(name)).map(({ parentPath }) => parentPath))]
}

const run = promisify(execFile)
