import { built } from '../../helpers/program.ts'

export interface Ran {
  readonly code: number
  /** What it has printed, on stdout and stderr. */
  readonly text: string
}

interface Place {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
}

/**
 * Runs the built program in this process, which takes a tenth of what starting one does. It gets a current folder,
 * variables, streams, an exit code and signal handlers of its own, one run after the other.
 */
export function runHere(args: readonly string[], place: Place): Promise<Ran> {
  const run = turn.then(() => runInPlace(args, place))
  turn = run.catch(() => {})
  return run
}

let turn: Promise<unknown> = Promise.resolve()

async function runInPlace(args: readonly string[], { folder, env }: Place): Promise<Ran> {
  const { runProgram } = (await import(built('cli/program.js'))) as typeof import('../../../src/cli/program.ts')
  const restore = [keepFolder(), keepVariables(), keepExitCode(), keepSignalHandlers()]
  const output = captureOutput()
  try {
    process.chdir(folder)
    Object.assign(process.env, env)
    await runProgram(args)
    return { code: Number(process.exitCode ?? 0), text: output.text().replace(/\n$/, '') }
  } finally {
    output.end()
    for (const each of restore) each()
  }
}

function keepFolder() {
  const folder = process.cwd()
  return () => process.chdir(folder)
}

function keepVariables() {
  const variables = process.env
  process.env = { ...variables }
  return () => {
    process.env = variables
  }
}

function keepExitCode() {
  const { exitCode } = process
  process.exitCode = undefined
  return () => {
    process.exitCode = exitCode
  }
}

function keepSignalHandlers() {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const before = signals.map(signal => process.listeners(signal))
  return () => {
    for (const [index, signal] of signals.entries()) {
      for (const handler of process.listeners(signal))
        if (!before[index]?.includes(handler)) process.off(signal, handler)
    }
  }
}

function captureOutput() {
  const chunks: string[] = []
  const streams = [process.stdout, process.stderr]
  const originals = streams.map(({ write }) => write)
  for (const stream of streams) {
    stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
      chunks.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())
      const done = rest.at(-1)
      if (typeof done === 'function') done()
      return true
    }) as typeof stream.write
  }
  const end = () => {
    for (const [index, stream] of streams.entries()) if (originals[index]) stream.write = originals[index]
  }
  return { text: () => chunks.join(''), end }
}
