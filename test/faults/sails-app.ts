import { cp, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratchFolder } from '../helpers/folder.ts'
import { built, startProgram, type TestProgram } from '../helpers/program.ts'

/** An existing Sails app: it has a model, blueprints, and a Redis adapter for its sockets, and knows nothing of a feed. */
export async function sailsApp(): Promise<SailsApp> {
  const folder = await scratchFolder()
  await cp(fileURLToPath(new URL('sails-app', import.meta.url)), folder, { recursive: true })
  await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(folder, 'node_modules'))
  const dependencies = { sails: '*', 'sails-hook-orm': '*', 'sails-hook-sockets': '*', 'sails-postgresql': '*' }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'existing-app', private: true, dependencies }))
  const lift = async (env: Record<string, string>) => {
    const program = startProgram(process.execPath, [join(folder, 'app.js')], env)
    const line = await program.line(/^lifted on \d+/, 60_000)
    return { program, port: Number(/\d+/.exec(line)?.[0]) }
  }
  const main = fileURLToPath(built('cli/main.js'))
  const run = (command: string, env: Record<string, string>) =>
    startProgram('/bin/sh', ['-c', `cd '${folder}' && exec "$0" "$@"`, process.execPath, main, command], env)
  return { lift, run }
}

export interface SailsApp {
  lift(env: Record<string, string>): Promise<LiftedApp>
  /** A command of the package, in the app's folder: no flag, no file, all of it is in the app's own config. */
  run(command: string, env: Record<string, string>): TestProgram
}

export interface LiftedApp {
  readonly program: TestProgram
  readonly port: number
}
