import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratchFolder } from '../helpers/folder.ts'
import { built, startProgram, type TestProgram } from '../helpers/program.ts'

/** An existing Sails app with a model, blueprints and a Redis adapter for its sockets, without a feed. */
export async function sailsApp(): Promise<SailsApp> {
  const folder = await scratchFolder()
  await cp(fileURLToPath(new URL('sails-app', import.meta.url)), folder, { recursive: true })
  await linkPackages(join(folder, 'node_modules'))
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

/** Excludes an old version of a hook that other tests install, since Sails loads every hook it finds. */
async function linkPackages(folder: string) {
  const ours = fileURLToPath(new URL('../../node_modules', import.meta.url))
  await mkdir(folder)
  const names = (await readdir(ours)).filter(name => name !== 'sails-hook-sockets-2' && !name.startsWith('.'))
  await Promise.all(names.map(name => symlink(join(ours, name), join(folder, name))))
}

export interface SailsApp {
  lift(env: Record<string, string>): Promise<LiftedApp>
  /** Runs a command of the package in the app's folder, without flags or config file: the app's own config suffices. */
  run(command: string, env: Record<string, string>): TestProgram
}

export interface LiftedApp {
  readonly program: TestProgram
  readonly port: number
}
