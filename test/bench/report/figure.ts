/** One measured value. */
export interface Figure {
  readonly subject: string
  /** The condition under which it was measured: `16 writers`. */
  readonly at: string
  readonly value: number
  readonly unit: string
  /** Of the value of the first subject under the same condition, in the same unit. */
  readonly ratio: number
}

/** A table of the report, and its plots: one for each unit. */
export interface Measurement {
  readonly title: string
  readonly figures: readonly Figure[]
  /** How it was measured, what was left out, and why. */
  readonly notes?: readonly string[]
}

/** The values of one round by subject, under one condition. */
export type Samples = Readonly<Record<string, readonly number[]>>

/** The median of each subject's samples. The first subject is the base of the ratios. */
export function figuresOf(unit: string, at: string, samples: Samples): Figure[] {
  const medians = Object.entries(samples).map(([subject, values]) => ({ subject, value: median(values) }))
  const base = medians[0]?.value ?? Number.NaN
  return medians.map(({ subject, value }) => ({ subject, at, value, unit, ratio: value / base }))
}

/** The only figure of that subject, condition and unit. */
export function ratioOf(figures: readonly Figure[], subject: string, at: string, unit?: string): number {
  return figureOf(figures, subject, at, unit).ratio
}

export function amountOf(figures: readonly Figure[], subject: string, at: string, unit?: string): number {
  return figureOf(figures, subject, at, unit).value
}

function figureOf(figures: readonly Figure[], subject: string, at: string, unit?: string): Figure {
  const [found] = figures.filter(
    figure => figure.subject === subject && figure.at === at && (unit === undefined || figure.unit === unit),
  )
  if (!found) throw new Error(`There is no figure of ${subject} at ${at}.`)
  return found
}

export const median = (values: readonly number[]): number => percentile(values, 0.5)

/** The value that this share of the values are below. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN
}
