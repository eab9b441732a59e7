import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Program } from './program.ts'

// In node_modules: other users cannot plant programs there, and `npm ci` removes what is no longer needed.
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/changefeed-tests', import.meta.url))

/**
 * A program that is unpacked once and used again as long as it works. The finished folder appears in one step, so that
 * two test runs at once do not disturb each other.
 */
export async function unpackedOnce(name: string, unpack: Unpack, programIn: ProgramIn): Promise<Program> {
  const folder = join(CACHE, name)
  const earlier = await programIn(folder).catch(() => undefined)
  if (earlier) return earlier
  await rm(folder, { recursive: true, force: true })
  await mkdir(CACHE, { recursive: true })
  const fresh = await mkdtemp(join(CACHE, 'new-'))
  try {
    await unpack(fresh)
    await programIn(fresh)
    await rename(fresh, folder).catch(ignoreExisting)
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
  console.log(`Unpacked ${name} into node_modules/.cache for the tests`)
  return await programIn(folder)
}

type Unpack = (folder: string) => Promise<unknown>
type ProgramIn = (folder: string) => Promise<Program>

/** Another test run may have been faster. */
function ignoreExisting(error: NodeJS.ErrnoException) {
  if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
}
