import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** A program that runs on this machine, with the environment variables that it needs. */
export interface Program {
  readonly path: string
  readonly env: Readonly<Record<string, string>>
}

/** Returns the program if it can name its version. An empty or foreign file of the right name does not pass. */
export async function working(path: string, env: Program['env'] = {}): Promise<Program> {
  const { stdout } = await promisify(execFile)(path, ['--version'], {
    env: { ...process.env, ...env },
    timeout: 30_000,
  })
  if (!/\d+\.\d+/.test(stdout)) throw new Error(`${path} --version names no version`)
  return { path, env }
}

/** The first of these commands that works. */
export async function installed(...commands: readonly string[]): Promise<Program> {
  for (const command of commands) {
    const program = await working(command).catch(() => undefined)
    if (program) return program
  }
  throw new Error(`not found: ${commands.join(', ')}`)
}
