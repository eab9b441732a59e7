import { stripVTControlCharacters } from 'node:util'
import { need } from './need.ts'
import { startProgram, type TestProgram } from './program.ts'

/** Runs a command line of the shell on a terminal of 80 columns, by util-linux' `script`. */
export function startOnTerminal(commandLine: string, env: Readonly<Record<string, string>>): TestProgram {
  const { path } = need('script')
  const command = `stty cols 80 rows 50; ${commandLine}`
  return startProgram(path, ['--quiet', '--return', '--command', command, '/dev/null'], { TERM: 'xterm', ...env })
}

/** What a person sees of the lines: no colours, no carriage returns. */
export const visible = (lines: readonly string[]) =>
  lines.map(line => stripVTControlCharacters(line).replaceAll('\r', ''))
