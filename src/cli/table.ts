import { stripVTControlCharacters } from 'node:util'
import Table from 'cli-table3'
import { colours } from './colours.ts'

const GAP = 2
/** Minimum width of a column. */
const LEAST = 8

/**
 * Formats columns without borders or header, for reading and for `cut`. If they are too wide together, the widest wrap.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns = Number.POSITIVE_INFINITY,
): string {
  const widths = fittingWidths(head.length > 0 ? [head, ...rows] : rows, columns)
  const lines = new Table({
    ...(head.length > 0 && { head: head.map(title => colours.dim(title)) }),
    chars: BORDERLESS,
    colWidths: widths.map(width => width + GAP),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
    wordWrap: true,
  })
  lines.push(...rows.map(row => row.map((content, index) => cell(content, widths[index] ?? 0))))
  return lines.toString().replace(/ +$/gm, '')
}

const BORDERLESS = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
  ].map(part => [part, '']),
)

/** The content widths, with the widest reduced until all fit. */
function fittingWidths(rows: readonly (readonly string[])[], columns: number): number[] {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(1, ...rows.map(row => widthOf(row[index] ?? ''))))
  const available = columns - GAP * (widths.length - 1)
  for (;;) {
    const widest = Math.max(0, ...widths)
    if (widths.reduce((sum, width) => sum + width, 0) <= available || widest <= LEAST) return widths
    widths[widths.indexOf(widest)] = widest - 1
  }
}

const widthOf = (content: string) => Math.max(...content.split('\n').map(line => stripVTControlCharacters(line).length))

/** Breaks a word that is longer than its column, such as a table name. */
function cell(content: string, width: number) {
  const words = stripVTControlCharacters(content).split(/\s+/)
  return { content, wrapOnWordBoundary: words.every(word => word.length <= width) }
}
