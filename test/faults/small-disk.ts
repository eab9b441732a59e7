import { execFileSync } from 'node:child_process'
import { statfs } from 'node:fs/promises'
import { scratchFolder } from '../helpers/folder.ts'
import { afterScope } from '../helpers/scope.ts'

export interface SmallDisk {
  readonly folder: string
  /** Leaves this much free space, in MiB, until the returned function is called. */
  fill(freeMiB: number): Promise<() => void>
}

/** A disk in memory that can be full; undefined if this account may not mount one. */
export async function smallDisk(sizeMiB: number): Promise<SmallDisk | undefined> {
  const folder = await scratchFolder()
  const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'ignore' })
  try {
    mount('-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', folder)
  } catch {
    return undefined
  }
  afterScope(() => void execFileSync('umount', ['--lazy', folder]))
  return {
    folder,
    async fill(freeMiB) {
      const { blocks, bfree, bsize } = await statfs(folder)
      mount('-o', `remount,size=${(blocks - bfree) * bsize + freeMiB * 2 ** 20}`, folder)
      return () => mount('-o', `remount,size=${sizeMiB}m`, folder)
    },
  }
}
