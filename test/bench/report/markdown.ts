import type { Figure, Measurement } from './figure.ts'

/** The table has two columns for each subject, or for each condition if there are more subjects: value and ratio. */
export function measurementMarkdown({ title, figures, notes = [] }: Measurement, heading = '###'): string {
  const [subjects, conditions] = [distinct(figures, subjectOf), distinct(figures, conditionOf)]
  const table =
    subjects.length > conditions.length
      ? tableOf(figures, { rows: subjects, rowOf: subjectOf, columns: conditions, columnOf: conditionOf })
      : tableOf(figures, { rows: conditions, rowOf: conditionOf, columns: subjects, columnOf: subjectOf })
  return [`${heading} ${title}`, table, ...notes].join('\n\n')
}

type NameOf = (figure: Figure) => string

const subjectOf: NameOf = ({ subject }) => subject
const conditionOf: NameOf = ({ at, unit }) => `${at}, ${unit}`

const distinct = (figures: readonly Figure[], nameOf: NameOf) => [...new Set(figures.map(nameOf))]

interface Layout {
  readonly rows: readonly string[]
  readonly rowOf: NameOf
  readonly columns: readonly string[]
  readonly columnOf: NameOf
}

function tableOf(figures: readonly Figure[], { rows, rowOf, columns, columnOf }: Layout): string {
  const header = ['', ...columns.flatMap(column => [column, 'ratio'])]
  const body = rows.map(row => [
    row,
    ...columns.flatMap(column => cellsOf(figures.find(each => rowOf(each) === row && columnOf(each) === column))),
  ])
  const alignment = header.map((_, place) => (place === 0 ? '---' : '---:'))
  return [header, alignment, ...body].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

const cellsOf = (figure: Figure | undefined) =>
  figure ? [formatValue(figure.value), figure.ratio.toFixed(2)] : ['', '']

/** Three significant digits, or all digits before the point. */
const formatValue = (value: number) =>
  Number(value.toPrecision(value >= 1_000 ? Math.ceil(Math.log10(value + 1)) : 3)).toLocaleString('en-US', {
    maximumFractionDigits: 6,
  })
