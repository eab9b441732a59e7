import { createInterface } from 'node:readline/promises'
import { columnsOf, wrap } from './line-width.ts'

/** The streams of a command: results go to `out`, notes to `err`. */
export interface Terminal {
  readonly out: NodeJS.WriteStream
  readonly err: NodeJS.WriteStream
}

export const terminal: Terminal = { out: process.stdout, err: process.stderr }

export const print = (text: string) => void terminal.out.write(`${text}\n`)
export const note = (text: string) => void terminal.err.write(`${wrap(text, columnsOf(terminal.err))}\n`)
/** Prints text for people, wrapped at the width of the terminal. Continuation lines are indented. */
export const printText = (text: string, indent = '') => print(wrap(text, columnsOf(terminal.out), indent))
export const printJson = (value: unknown) => print(JSON.stringify(value, jsonValue))

/** Asks for confirmation. Without a terminal, the answer is no. */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false
  const dialogue = createInterface({ input: process.stdin, output: terminal.err })
  try {
    return /^y(es)?$/i.test((await dialogue.question(`${question} [y/N] `)).trim())
  } finally {
    dialogue.close()
  }
}

/** A bigint is serialized as a string, since a JSON number could lose digits. */
const jsonValue = (_key: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)

/** `1 change`, `2 changes`. */
export const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`

export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = Math.min(units.length - 1, Math.floor(Math.log(Math.max(size, 1)) / Math.log(1024)))
  return `${(size / 1024 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`
}

export function seconds(total: number): string {
  if (total < 1) return `${Math.round(total * 1000)} ms`
  if (total < 60) return `${total.toFixed(1)} s`
  const [days, hours, minutes] = [total / 86_400, (total % 86_400) / 3_600, (total % 3_600) / 60].map(Math.floor)
  return [days && `${days} d`, hours && `${hours} h`, minutes && `${minutes} min`].filter(Boolean).join(' ') || '1 min'
}
