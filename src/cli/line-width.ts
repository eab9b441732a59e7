import { Help } from 'commander'

/** Columns of the terminal. In a pipe `COLUMNS`, and without it no limit: whoever reads a pipe wants whole lines. */
export function columnsOf(stream: NodeJS.WriteStream): number {
  if (stream.isTTY && stream.columns > 0) return stream.columns
  return Number(process.env.COLUMNS) || Number.POSITIVE_INFINITY
}

const help = new Help()

/** Breaks a text between words so that it fits beside an indent, which all lines but the first get. */
export const wrap = (text: string, columns: number, indent = '') =>
  help.boxWrap(text, columns - indent.length).replaceAll('\n', `\n${indent}`)

/** Breaks a text without words, such as JSON, after so many characters. */
export function chop(text: string, columns: number): string[] {
  if (text.length <= columns) return [text]
  return [text.slice(0, columns), ...chop(text.slice(columns), columns)]
}
