import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterScope } from './scope.ts'

export interface TestProgram {
  readonly pid: number
  /** What it has printed, on stdout and stderr, line by line. */
  readonly lines: readonly string[]
  /** The first line that fits and that no earlier call has returned, from stdout or stderr; waits for it where need be. */
  line(fits: RegExp, withinMs?: number): Promise<string>
  kill(signal?: NodeJS.Signals): void
  /** How it ended, all of its output read. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** The URL of a built module, to be imported by a program: `built('embedded-postgres/embedded-postgres.js')`. The run builds before the tests. */
export const built = (module: string) => new URL(`../../dist/src/${module}`, import.meta.url).href

/** Runs ESM code (a string) in a Node process of its own, to be killed or stopped. Killed at the end of the test or file. */
export const startCode = (code: string, env: Readonly<Record<string, string>> = {}): TestProgram =>
  startProgram(process.execPath, ['--input-type=module', '--eval', code], env)

/** Runs a program. Killed at the end of the test or file. */
export function startProgram(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): TestProgram {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  afterScope(() => child.kill('SIGKILL'))
  const lines: string[] = []
  const taken = new Set<number>()
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', line => {
      lines.push(line)
      child.emit('printed')
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }))

  async function line(fits: RegExp, withinMs = 20_000): Promise<string> {
    const timeout = AbortSignal.timeout(withinMs)
    for (;;) {
      const index = lines.findIndex((line, at) => fits.test(line) && !taken.has(at))
      if (index >= 0) {
        taken.add(index)
        return lines[index] ?? ''
      }
      const printed = once(child, 'printed', { signal: timeout }).then(() => true)
      const more = await Promise.race([printed, ended.then(() => false)]).catch(() => false)
      if (!more && !lines.some((line, at) => fits.test(line) && !taken.has(at))) {
        throw new Error(`no line like ${fits}; the program printed:\n${lines.join('\n')}`)
      }
    }
  }

  return { pid: child.pid ?? 0, lines, line, kill: signal => void child.kill(signal), ended }
}
