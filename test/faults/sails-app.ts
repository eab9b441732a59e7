import { cp, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratchFolder } from '../helpers/folder.ts'
import { startProgram, type TestProgram } from '../helpers/program.ts'

/** An existing Sails app: it has a model, blueprints, and a Redis adapter for its sockets, and knows nothing of a feed. */
export async function sailsApp(): Promise<{ folder: string; lift(env: Record<string, string>): Promise<LiftedApp> }> {
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
  return { folder, lift }
}

export interface LiftedApp {
  readonly program: TestProgram
  readonly port: number
}
