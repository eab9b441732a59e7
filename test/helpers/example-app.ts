import { cp, mkdir, readFile, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratchFolder } from './folder.ts'
import { startProgram, type TestProgram } from './program.ts'
import { afterScope } from './scope.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What is read of a package.json. */
export interface Manifest {
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

export async function manifest(folder = '.'): Promise<Manifest> {
  return JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'))
}

/** A copy of an example, with the packages that it depends on and no others. */
export async function copyExample(name: string): Promise<string> {
  const folder = await scratchFolder()
  const isInstalled = (path: string) => path.includes(join(name, 'node_modules'))
  await cp(join(root, 'examples', name), folder, { recursive: true, filter: path => !isInstalled(path) })
  const { dependencies } = await manifest(`examples/${name}`)
  for (const each of Object.keys(dependencies)) {
    const link = join(folder, 'node_modules', each)
    await mkdir(dirname(link), { recursive: true })
    await symlink(each === 'waterline-changefeed' ? root : join(root, 'node_modules', each), link)
  }
  return folder
}

/** Runs a line of a shell in this folder. Ended in order at the end of the test or file. */
export function runIn(folder: string, line: string, env: Readonly<Record<string, string>>): TestProgram {
  const program = startProgram('/bin/sh', ['-c', `cd '${folder}' && exec ${line}`], env)
  afterScope(() => {
    program.kill('SIGTERM')
    return program.ended
  })
  return program
}

/** What `npm start` runs, in a copy of the example. */
export async function startExample(name: string, env: Readonly<Record<string, string>>): Promise<TestProgram> {
  const { scripts } = await manifest(`examples/${name}`)
  return runIn(await copyExample(name), scripts.start ?? '', env)
}
