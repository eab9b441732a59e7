import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** A package's name for each package manager. */
export type PackageNames = Readonly<Record<keyof typeof COMMANDS, string>>

const COMMANDS = {
  'apt-get': 'sudo apt-get install',
  apk: 'sudo apk add',
  dnf: 'sudo dnf install',
  pacman: 'sudo pacman -S',
  zypper: 'sudo zypper install',
  brew: 'brew install',
} as const

/** The command that installs the package here, by the first package manager that is on the PATH. */
export async function installCommand(packages: PackageNames): Promise<string> {
  for (const manager of Object.keys(COMMANDS) as (keyof typeof COMMANDS)[]) {
    if (await isOnPath(manager)) return `${COMMANDS[manager]} ${packages[manager]}`
  }
  return `brew install ${packages.brew}`
}

async function isOnPath(command: string): Promise<boolean> {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = await Promise.allSettled(folders.map(folder => access(join(folder, command), constants.X_OK)))
  return found.some(({ status }) => status === 'fulfilled')
}
