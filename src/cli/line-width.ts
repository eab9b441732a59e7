import { Help } from 'commander'

/** Columns of the terminal. In a pipe `COLUMNS`, or no limit, since readers of a pipe expect whole lines. */
export function columnsOf(stream: NodeJS.WriteStream): number {
  if (stream.isTTY && stream.columns > 0) return stream.columns
  return Number(process.env.COLUMNS) || Number.POSITIVE_INFINITY
}

const help = new Help()

/** Stands for a space at which no line is broken. */
const UNBROKEN = '\u0001'

/** A command line in a text: half of it would be another command. */
const COMMAND = /(?:\w+=\S+ )*npx waterline-changefeed(?: (?:'[^']*'|[^\s']+))*/g

/** Wraps text between words. All lines except the first are indented. Commands stay whole. */
export const wrap = (text: string, columns: number, indent = '') =>
  help
    .boxWrap(
      text.replaceAll(COMMAND, command => command.replaceAll(' ', UNBROKEN)),
      columns - indent.length,
    )
    .replaceAll('\n', `\n${indent}`)
    .replaceAll(UNBROKEN, ' ')

/** Breaks text without words, such as JSON, at a number of characters. */
export function chop(text: string, columns: number): string[] {
  if (text.length <= columns) return [text]
  return [text.slice(0, columns), ...chop(text.slice(columns), columns)]
}
